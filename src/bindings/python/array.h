// A Python array as a strided view: by the buffer protocol (NumPy), from a PyTorch tensor, or by DLPack.
#ifndef SIMDROPE_BINDINGS_PYTHON_ARRAY_H_
#define SIMDROPE_BINDINGS_PYTHON_ARRAY_H_

#include <memory>

#include "python.h"

namespace simdrope::python {

enum class Element { kF16, kF32, kF64, kBF16, kF8E4M3, kF8E5M2, kI8, kI16, kI32, kI64, kU8, kU16, kU32, kU64, kBool };
const char* NameOf(Element element);
int64_t SizeOf(Element element);

inline constexpr int kMaxDims = 8;

struct Shape {
  int dims = 0;
  int64_t sizes[kMaxDims];
  int64_t strides[kMaxDims];  // in elements

  int64_t count() const;
};

class Array {
 public:
  Array() = default;
  // `name` is the argument's, for messages. Elements are aligned, and of this machine's byte order. A PyTorch tensor is
  // on the CPU, strided, and does not require grad.
  Array(PyObject* object, const char* name);

  explicit operator bool() const { return data != nullptr || shape.count() == 0; }
  void WantWritable(const char* name) const;

  void* data = nullptr;
  Element element = Element::kF32;
  bool writable = false;
  Shape shape;

 private:
  bool ReadTorch(PyObject* object, const char* name);
  bool ReadBuffer(PyObject* object, const char* name);
  bool ReadDlpack(PyObject* object, const char* name);
  void CheckAligned(const char* name) const;

  struct ReleaseBuffer {
    void operator()(Py_buffer* buffer) const {
      PyBuffer_Release(buffer);
      delete buffer;
    }
  };
  Ref owner_;  // the tensor or capsule that keeps the memory alive
  std::unique_ptr<Py_buffer, ReleaseBuffer> buffer_;
};

// The array as nested sizes and strides, for messages.
Ref Describe(const Shape& shape);

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_ARRAY_H_
