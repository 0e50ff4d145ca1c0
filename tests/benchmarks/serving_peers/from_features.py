"""Our model's trees as a model of MLflow's: features in, probabilities and contributions out.

As much of our question as MLflow's server can be asked: it has no history to read and no sentences
or advice to give. Written as models-from-code; MLflow imports it in the server.
"""

import lightgbm
import mlflow
import numpy as np
import pandas as pd


class FromFeatures(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.trees = lightgbm.Booster(model_file=context.artifacts["trees"])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        rows = model_input.to_numpy(np.float64)
        contributions = self.trees.predict(rows, pred_contrib=True, num_threads=1)
        probabilities = 1 / (1 + np.exp(-contributions.sum(axis=1)))
        return {"probabilities": probabilities.tolist(), "contributions": contributions.tolist()}


mlflow.models.set_model(FromFeatures())
