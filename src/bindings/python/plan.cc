#include "plan.h"

#include <cstring>
#include <memory>

#include "call.h"

namespace simdrope::python {
namespace {

struct PlanData {
  Call call;
  simdrope_plan* plan = nullptr;
  simdrope_run run;

  PlanData(PyObject* arguments, PyObject* keywords) : call(arguments, keywords, "Plan") {
    Check(simdrope_plan_create(&call.cos_sin, &call.in, call.out_or_null(), &call.options, &plan));
    simdrope_plan_pointers(plan, &run);
  }
  ~PlanData() { simdrope_plan_release(plan); }
};

struct PlanObject {
  PyObject_HEAD PlanData* data;
};

PlanData* DataOf(PyObject* self) { return reinterpret_cast<PlanObject*>(self)->data; }

PyObject* New(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return Guard([&]() -> PyObject* {
    std::unique_ptr<PlanData> data(new PlanData(arguments, keywords));
    const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
    Ref self = Checked(allocate(type, 0));
    reinterpret_cast<PlanObject*>(self.get())->data = data.release();
    return self.release();
  });
}

void Deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete DataOf(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

// Another array for one that was planned: the same sizes, strides and elements.
const Array& Replace(PyObject* object, const Array& planned, const char* name, bool written, Array* array) {
  *array = Array(object, name);
  if (written) array->WantWritable(name);
  const size_t bytes = sizeof(int64_t) * static_cast<size_t>(planned.shape.dims);
  if (array->shape.dims != planned.shape.dims || array->element != planned.element ||
      std::memcmp(array->shape.sizes, planned.shape.sizes, bytes) != 0 ||
      std::memcmp(array->shape.strides, planned.shape.strides, bytes) != 0) {
    Raise(PyExc_ValueError, "%s is %s %U, but planned was %s %U", name, NameOf(array->element),
          Describe(array->shape).get(), NameOf(planned.element), Describe(planned.shape).get());
  }
  return *array;
}

// The arrays of one run, which it must keep until it has run.
struct Run {
  Run(const PlanData& data) : data_(data), run(data.run) {}

  void Set(const char* name, PyObject* value) {
    if (std::strcmp(name, "q") == 0) return SetOperand(0, value);
    if (std::strcmp(name, "k") == 0) return SetOperand(1, value);
    if (std::strcmp(name, "v") == 0) return SetOperand(2, value);
    if (std::strcmp(name, "out") == 0) return SetOut(value);
    if (std::strcmp(name, "start") == 0) {
      run.start = Int64(value, name);
      return;
    }
    const PositionsArgument& positions = data_.call.positions;
    if (std::strcmp(name, "ids") == 0) return SetPointer(value, positions.ids, name, &run.ids);
    if (std::strcmp(name, "offsets") == 0) return SetPointer(value, positions.offsets, name, &run.offsets);
    if (std::strcmp(name, "cu_seqlens") == 0) return SetPointer(value, positions.cu_seqlens, name, &run.cu_seqlens);
    if (std::strcmp(name, "cos") == 0) return SetPointer(value, data_.call.table.cos, name, &run.cos);
    if (std::strcmp(name, "sin") == 0) return SetPointer(value, data_.call.table.sin, name, &run.sin);
    if (std::strcmp(name, "slots") == 0) return SetSlots(value);
    Raise(PyExc_TypeError, "run() got an unexpected keyword argument '%s'", name);
  }
  void SetOperand(int i, PyObject* value) {
    if (IsNone(value)) return;
    static const char* const names[] = {"q", "k", "v"};
    const TensorArgument& planned = data_.call.in_tensors[i];
    Want(planned.data, names[i]);
    const bool in_place = !data_.call.out_tensors[i].present() && (!data_.call.has_out || i < 2);
    const Array& array = Replace(value, planned.data, names[i], in_place, Next());
    Operand(i)->in = array.data;
    if (in_place) Operand(i)->out = array.data;
  }

 private:
  void SetOut(PyObject* value) {
    for (Py_ssize_t i = 0; i < PySequence_Size(value) && i < 3; ++i) {
      const Ref item = Checked(PySequence_GetItem(value, i));
      if (IsNone(item.get())) continue;
      const Array& planned = data_.call.out_tensors[i].data;
      Want(planned, "out");
      Operand(static_cast<int>(i))->out = Replace(item.get(), planned, "out", true, Next()).data;
    }
    if (PyErr_Occurred() != nullptr) throw Raised();
  }
  void SetPointer(PyObject* value, const Array& planned, const char* name, const void** pointer) {
    Want(planned, name);
    *pointer = Replace(value, planned, name, false, Next()).data;
  }
  // One slot map for all outputs that have one.
  void SetSlots(PyObject* value) {
    bool any = false;
    for (int i = 0; i < 3; ++i) {
      const Array& planned = data_.call.out_tensors[i].slots;
      if (planned.data == nullptr) continue;
      Operand(i)->out_slots = Replace(value, planned, "slots", false, Next()).data;
      any = true;
    }
    if (!any) Raise(PyExc_ValueError, "slots were not planned for any output");
  }
  void Want(const Array& planned, const char* name) {
    if (planned.data == nullptr) Raise(PyExc_ValueError, "%s was not planned", name);
  }
  simdrope_operand* Operand(int i) { return i == 0 ? &run.q : i == 1 ? &run.k : &run.v; }
  Array* Next() {
    if (used_ == sizeof(arrays_) / sizeof(arrays_[0])) Raise(PyExc_TypeError, "run() got too many arguments");
    return &arrays_[used_++];
  }

  const PlanData& data_;
  Array arrays_[16];
  size_t used_ = 0;

 public:
  simdrope_run run;
};

PyObject* RunPlan(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  return Guard([&]() -> PyObject* {
    const PlanData& data = *DataOf(self);
    if (count > 3) Raise(PyExc_TypeError, "run() takes q, k and v by position, not %zd arguments", count);
    Run run(data);
    for (Py_ssize_t i = 0; i < count; ++i) run.SetOperand(static_cast<int>(i), arguments[i]);
    const Py_ssize_t named = keywords != nullptr ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < named; ++i) {
      PyObject* const value = arguments[count + i];
      if (value != Py_None) run.Set(Text(PyTuple_GetItem(keywords, i), "keyword"), value);
    }
    Check(WithoutGil([&] { return simdrope_plan_run(data.plan, &run.run); }));
    Py_RETURN_NONE;
  });
}

PyMethodDef methods[] = {
    {"run", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(RunPlan)), METH_FASTCALL | METH_KEYWORDS,
     "run($self, q=None, k=None, v=None, *, out=None, start=None, ids=None, offsets=None, cu_seqlens=None, cos=None, "
     "sin=None, slots=None)\n--\n\n"
     "Runs the call, with other arrays where they are given: of the sizes, strides and dtypes planned. What is not "
     "given "
     "is as planned. slots is for all outputs that have slots."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Plan(rows, q=None, k=None, v=None, *, out=None, start=0, positions=None, ...)\n\n"
                                  "A call of apply that is checked once and run many times.")},
    {Py_tp_new, reinterpret_cast<void*>(New)},
    {Py_tp_dealloc, reinterpret_cast<void*>(Deallocate)},
    {Py_tp_methods, methods},
    {0, nullptr},
};
PyType_Spec spec = {"simdrope._core.Plan", sizeof(PlanObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

Ref MakePlanType() { return Checked(PyType_FromSpec(&spec)); }

}  // namespace simdrope::python
