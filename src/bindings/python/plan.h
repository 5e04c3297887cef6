// simdrope._core.Plan: a call that was checked once.
#ifndef SIMDROPE_BINDINGS_PYTHON_PLAN_H_
#define SIMDROPE_BINDINGS_PYTHON_PLAN_H_

#include "python.h"

namespace simdrope::python {

Ref MakePlanType();

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_PLAN_H_
