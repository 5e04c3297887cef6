// What the extension's files share: Python's limited API, owned references, errors.
//
// A function of the extension throws Raised once a Python error is set; Guard, at the border to Python, turns that into
// the NULL that Python expects. Everything here runs with the GIL held.
#ifndef SIMDROPE_BINDINGS_PYTHON_PYTHON_H_
#define SIMDROPE_BINDINGS_PYTHON_PYTHON_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <simdrope/simdrope.h>

#include <new>
#include <utility>

namespace simdrope::python {

struct Raised {};

class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

inline Ref NewRef(PyObject* borrowed) {
  Py_XINCREF(borrowed);
  return Ref(borrowed);
}
// The result of a call of Python's API that sets an error and returns NULL.
inline Ref Checked(PyObject* owned) {
  if (owned == nullptr) throw Raised();
  return Ref(owned);
}
inline void Checked(int result) {
  if (result < 0) throw Raised();
}

template <class... Arguments>
[[noreturn]] void Raise(PyObject* type, const char* format, Arguments... arguments) {
  PyErr_Format(type, format, arguments...);
  throw Raised();
}

// Raises the exception of simdrope._errors that stands for `status`, with simdrope's message.
void Check(simdrope_status status);

template <class Body>
PyObject* Guard(const Body& body) noexcept {
  try {
    return body();
  } catch (const Raised&) {
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

inline bool IsNone(PyObject* object) { return object == nullptr || object == Py_None; }
inline Ref Attribute(PyObject* object, const char* name) { return Checked(PyObject_GetAttrString(object, name)); }
int64_t Int64(PyObject* object, const char* name);
double Double(PyObject* object, const char* name);
// `object` as UTF-8; valid as long as the object.
const char* Text(PyObject* object, const char* name);

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_PYTHON_H_
