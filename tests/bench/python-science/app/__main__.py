"""Fits a line to a table, with all of the libraries."""

import numpy
import pandas
import pyarrow
import scipy.constants
import sklearn.linear_model

table = pandas.DataFrame({"x": numpy.arange(9.0), "y": numpy.arange(9.0) * 2})
line = sklearn.linear_model.LinearRegression().fit(table[["x"]], table["y"])
print(pyarrow.Table.from_pandas(table).num_rows, scipy.constants.pi, line.coef_)
