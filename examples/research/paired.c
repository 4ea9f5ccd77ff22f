#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pairing.h>

static PyObject *of(PyObject *self, PyObject *args) {
    unsigned long x, y;
    if (!PyArg_ParseTuple(args, "kk", &x, &y))
        return NULL;
    return PyLong_FromUnsignedLong(pairing_of(x, y));
}

static PyMethodDef methods[] = {{"of", of, METH_VARARGS, "Cantor's pairing function."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "paired", NULL, -1, methods};

PyMODINIT_FUNC PyInit_paired(void) { return PyModule_Create(&module); }
