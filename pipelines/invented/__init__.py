"""The rooms behind `pipelines.synthetic`: each takes a block of invented customers a step further.

customers -> invoices -> settling -> contacts -> payments, standing: `block` calls them so.
`tables` and `truth` turn a block into Arrow; `temperaments` says how each kind of customer pays and
what a contact gains, `paydays` on which days.
"""
