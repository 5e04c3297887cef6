#include "python.h"

namespace simdrope::python {

void Check(simdrope_status status) {
  if (status == SIMDROPE_OK) return;
  const Ref module = Checked(PyImport_ImportModule("simdrope._errors"));
  const Ref raise = Attribute(module.get(), "for_status");
  Ref error = Checked(PyObject_CallFunction(raise.get(), "ss", simdrope_status_name(status), simdrope_last_error()));
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
  throw Raised();
}

int64_t Int64(PyObject* object, const char* name) {
  const Ref index(PyNumber_Index(object));
  const long long value = index ? PyLong_AsLongLong(index.get()) : -1;
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    Raise(PyExc_TypeError, "%s = %R is no 64-bit integer", name, object);
  }
  return value;
}

double Double(PyObject* object, const char* name) {
  const double value = PyFloat_AsDouble(object);
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    Raise(PyExc_TypeError, "%s = %R is no number", name, object);
  }
  return value;
}

const char* Text(PyObject* object, const char* name) {
  const char* text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, nullptr) : nullptr;
  if (text == nullptr) {
    PyErr_Clear();
    Raise(PyExc_TypeError, "%s = %R is no string", name, object);
  }
  return text;
}

}  // namespace simdrope::python
