// Model files: what simdrope_io reads, as simdrope._types.LayerRope.
#ifndef SIMDROPE_BINDINGS_PYTHON_MODELS_H_
#define SIMDROPE_BINDINGS_PYTHON_MODELS_H_

#include "python.h"

namespace simdrope::python {

PyObject* ReadModel(PyObject* module, PyObject* arguments);
PyObject* ToHfConfig(PyObject* module, PyObject* config);

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_MODELS_H_
