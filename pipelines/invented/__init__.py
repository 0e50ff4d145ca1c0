"""The rooms behind `pipelines.synthetic`: each takes a block of invented customers a step further.

customers -> invoices -> settling -> contacts -> payments, standing -> tables; `temperaments` says
how each kind of customer pays and what a contact gains, `paydays` on which days.
"""
