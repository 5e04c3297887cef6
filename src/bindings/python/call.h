// A call of simdrope_apply, read from Python's arguments.
#ifndef SIMDROPE_BINDINGS_PYTHON_CALL_H_
#define SIMDROPE_BINDINGS_PYTHON_CALL_H_

#include "tensors.h"

namespace simdrope::python {

struct StagesArgument {
  Array weight;
  Array bias;
};

// Everything that simdrope's structs point at lives as long as this does.
struct Call {
  // apply(rows, q, k, v, *, out, start, positions, key_positions, layout, inverse, output_pairing, q_stages, k_stages,
  // v_stages, threads): `function` is its name, for messages.
  Call(PyObject* arguments, PyObject* keywords, const char* function);
  Call(const Call&) = delete;

  const simdrope_qkv* out_or_null() const { return has_out ? &out : nullptr; }

  simdrope_cos_sin cos_sin = SIMDROPE_COS_SIN_INIT;
  simdrope_qkv in = SIMDROPE_QKV_INIT;
  simdrope_qkv out = SIMDROPE_QKV_INIT;
  bool has_out = false;
  simdrope_options options = SIMDROPE_OPTIONS_INIT;

  TensorArgument in_tensors[3];   // q, k, v
  TensorArgument out_tensors[3];  // as `out` says; not present where it works in place
  PositionsArgument positions;
  TableArgument table;

 private:
  void ReadRows(PyObject* rows);

  PositionsArgument key_positions_;
  TableArgument key_table_;
  Array query_scale_;
  Array padding_;
  Array pair_axis_;
  StagesArgument stages_[3];
  Ref rows_;  // keeps the rope
};

// Takes simdrope's lock-free calls out of the GIL.
template <class Body>
simdrope_status WithoutGil(const Body& body) {
  PyThreadState* const state = PyEval_SaveThread();
  const simdrope_status status = body();
  PyEval_RestoreThread(state);
  return status;
}

PyObject* Apply(PyObject* module, PyObject* arguments, PyObject* keywords);
PyObject* RotateHalf(PyObject* module, PyObject* arguments, PyObject* keywords);
PyObject* ComputeCosSin(PyObject* module, PyObject* arguments, PyObject* keywords);

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_CALL_H_
