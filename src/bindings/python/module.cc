// simdrope._core: functions and types that simdrope's Python files build on.
#include "call.h"
#include "models.h"
#include "plan.h"
#include "rope.h"

namespace simdrope::python {
namespace {

template <class Function>
PyCFunction AsMethod(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyObject* Targets(PyObject*, PyObject*) {
  return Guard([] {
    simdrope_target targets[32];
    const size_t count = simdrope_targets(targets, 32);
    Ref list = Checked(PyList_New(0));
    for (size_t i = 0; i < count && i < 32; ++i) {
      const Ref entry = Checked(Py_BuildValue("(sNN)", targets[i].name, PyBool_FromLong(targets[i].supported),
                                              PyBool_FromLong(targets[i].fused)));
      Checked(PyList_Append(list.get(), entry.get()));
    }
    return list.release();
  });
}

PyObject* TargetInUse(PyObject*, PyObject*) { return PyUnicode_FromString(simdrope_target_in_use()); }
PyObject* MaxThreads(PyObject*, PyObject*) { return PyLong_FromLong(simdrope_max_threads()); }

PyObject* UseTarget(PyObject*, PyObject* name) {
  return Guard([&]() -> PyObject* {
    Check(simdrope_use_target(IsNone(name) ? nullptr : Text(name, "name")));
    Py_RETURN_NONE;
  });
}

constexpr const char kApplyDoc[] =
    "apply(rows, q=None, k=None, v=None, *, out=None, start=0, positions=None, key_positions=None, layout=None, "
    "inverse=False, output_pairing=None, q_stages=None, k_stages=None, v_stages=None, threads=0)\n--\n\n"
    "Rotates q and k by their tokens' positions, and takes q, k and v through their stages.\n\n"
    "rows: a Rope; or the rows of a step that Rope.cos_sin made; or a Table.\n"
    "q, k, v: [B, S, H, D] or [S, H, D], each with its own number of heads, as arrays or simdrope.Tensor; float32, "
    "float16, bfloat16 and the formats of caches. layout names other orders: \"bhsd\".\n"
    "out: (q, k, v) to be written to; None: in place, as is an entry of None for q or k.\n"
    "start: position of the first token. positions: ids [S], [B, S] or [axes, B, S], or simdrope.Positions. "
    "key_positions: those of k and v where they are others.\n"
    "inverse: by the negated angle, the backward pass. output_pairing: \"half\" or \"interleaved\" of the output.\n"
    "threads: 0: as many as oneTBB offers where the work is worth it; 1: serial.\n"
    "On an error nothing has been written.";
constexpr const char kRotateHalfDoc[] =
    "rotate_half(x, out, *, pairing='half', layout=None)\n--\n\n"
    "Each head (x, y) becomes (-y, x), x and y being its halves or its even and odd elements.";

PyMethodDef functions[] = {
    {"apply", AsMethod(Apply), METH_VARARGS | METH_KEYWORDS, kApplyDoc},
    {"rotate_half", AsMethod(RotateHalf), METH_VARARGS | METH_KEYWORDS, kRotateHalfDoc},
    {"compute_cos_sin", AsMethod(ComputeCosSin), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"rerotation", Rerotation, METH_VARARGS, nullptr},
    {"read_model", ReadModel, METH_VARARGS, nullptr},
    {"to_hf_config", ToHfConfig, METH_O, nullptr},
    {"targets", Targets, METH_NOARGS, nullptr},
    {"target_in_use", TargetInUse, METH_NOARGS, nullptr},
    {"use_target", UseTarget, METH_O, nullptr},
    {"max_threads", MaxThreads, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "simdrope._core", nullptr, -1, functions, nullptr, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace simdrope::python

PyMODINIT_FUNC PyInit__core(void) {
  using namespace simdrope::python;
  return Guard([] {
    Ref module = Checked(PyModule_Create(&definition));
    Checked(PyModule_AddObjectRef(module.get(), "Rope", MakeRopeType().get()));
    Checked(PyModule_AddObjectRef(module.get(), "Plan", MakePlanType().get()));
    Checked(PyModule_AddStringConstant(module.get(), "version", simdrope_version()));
    return module.release();
  });
}
