// simdrope._core.Rope: a handle.
#ifndef SIMDROPE_BINDINGS_PYTHON_ROPE_H_
#define SIMDROPE_BINDINGS_PYTHON_ROPE_H_

#include "python.h"

namespace simdrope::python {

Ref MakeRopeType();
// NULL: `object` is none.
simdrope_rope* RopeOf(PyObject* object);

PyObject* Rerotation(PyObject* module, PyObject* arguments);

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_ROPE_H_
