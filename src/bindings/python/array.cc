#include "array.h"

#include <cstring>
#include <string>

#include "dlpack.h"

namespace simdrope::python {
namespace {

struct ElementInfo {
  const char* name;
  int size;
  DLDataTypeCode code;
  const char* torch;  // its name in torch; NULL: none
};
// In the order of Element.
constexpr ElementInfo kElements[] = {
    {"float16", 2, kDLFloat, "float16"},
    {"float32", 4, kDLFloat, "float32"},
    {"float64", 8, kDLFloat, "float64"},
    {"bfloat16", 2, kDLBfloat, "bfloat16"},
    {"float8_e4m3fn", 1, kDLFloat8_e4m3fn, "float8_e4m3fn"},
    {"float8_e5m2", 1, kDLFloat8_e5m2, "float8_e5m2"},
    {"int8", 1, kDLInt, "int8"},
    {"int16", 2, kDLInt, "int16"},
    {"int32", 4, kDLInt, "int32"},
    {"int64", 8, kDLInt, "int64"},
    {"uint8", 1, kDLUInt, "uint8"},
    {"uint16", 2, kDLUInt, "uint16"},
    {"uint32", 4, kDLUInt, "uint32"},
    {"uint64", 8, kDLUInt, "uint64"},
    {"bool", 1, kDLBool, "bool"},
};

// False: there is none.
bool FindElement(int code, int bits, Element* element) {
  for (size_t i = 0; i < sizeof(kElements) / sizeof(kElements[0]); ++i) {
    if (kElements[i].code == code && kElements[i].size * 8 == bits) {
      *element = static_cast<Element>(i);
      return true;
    }
  }
  return false;
}

void SetContiguous(Shape* shape) {
  int64_t stride = 1;
  for (int d = shape->dims; d-- > 0;) {
    shape->strides[d] = stride;
    stride *= shape->sizes[d];
  }
}

void SetDims(Shape* shape, int64_t dims, const char* name) {
  if (dims > kMaxDims) Raise(PyExc_ValueError, "%s has %lld dimensions", name, static_cast<long long>(dims));
  shape->dims = static_cast<int>(dims);
}

void ReadInts(PyObject* tuple, int dims, int64_t* out) {
  for (int d = 0; d < dims; ++d) {
    out[d] = PyLong_AsLongLong(PyTuple_GetItem(tuple, d));
    if (PyErr_Occurred() != nullptr) throw Raised();
  }
}

bool IsTrue(PyObject* object, const char* attribute) {
  const int truth = PyObject_IsTrue(Attribute(object, attribute).get());
  Checked(truth);
  return truth == 1;
}
bool Call(PyObject* object, const char* method) {
  const Ref result = Checked(PyObject_CallMethod(object, method, nullptr));
  return PyObject_IsTrue(result.get()) == 1;
}

// What is needed of an imported torch; looked up once. There is none in a program that never imports it.
struct Torch {
  PyObject* tensor = nullptr;    // the type
  PyObject* elements = nullptr;  // dtype to Element
  PyObject* data_ptr = nullptr;  // attribute names
  PyObject* stride = nullptr;
  PyObject* shape = nullptr;
  PyObject* dtype = nullptr;
};

const Torch* FindTorch() {
  static Torch torch;
  if (torch.tensor != nullptr) return &torch;
  const Ref name = Checked(PyUnicode_FromString("torch"));
  const Ref module(PyImport_GetModule(name.get()));
  if (!module || PyObject_HasAttrString(module.get(), "Tensor") == 0) return nullptr;
  Ref tensor = Attribute(module.get(), "Tensor");
  Ref elements = Checked(PyDict_New());
  for (size_t i = 0; i < sizeof(kElements) / sizeof(kElements[0]); ++i) {
    if (PyObject_HasAttrString(module.get(), kElements[i].torch) == 0) continue;  // not in every version
    const Ref dtype = Attribute(module.get(), kElements[i].torch);
    const Ref value = Checked(PyLong_FromSize_t(i));
    Checked(PyDict_SetItem(elements.get(), dtype.get(), value.get()));
  }
  const auto intern = [](const char* text) { return Checked(PyUnicode_InternFromString(text)).release(); };
  torch.data_ptr = intern("data_ptr");
  torch.stride = intern("stride");
  torch.shape = intern("shape");
  torch.dtype = intern("dtype");
  torch.elements = elements.release();
  torch.tensor = tensor.release();
  return &torch;
}

// The element of a format of Python's struct module, one letter after a sign for byte order.
bool ElementOfFormat(const char* format, int64_t size, Element* element) {
  if (format == nullptr) format = "B";
  if (*format == '@' || *format == '=' || *format == '<') ++format;
  if (std::strlen(format) != 1) return false;
  const int bits = static_cast<int>(size) * 8;
  if (*format == '?') return FindElement(kDLBool, bits, element);
  if (std::strchr("efd", *format) != nullptr) return FindElement(kDLFloat, bits, element);
  if (std::strchr("bhilqn", *format) != nullptr) return FindElement(kDLInt, bits, element);
  if (std::strchr("BHILQN", *format) != nullptr) return FindElement(kDLUInt, bits, element);
  return false;
}

}  // namespace

const char* NameOf(Element element) { return kElements[static_cast<int>(element)].name; }
int64_t SizeOf(Element element) { return kElements[static_cast<int>(element)].size; }

int64_t Shape::count() const {
  int64_t product = 1;
  for (int d = 0; d < dims; ++d) product *= sizes[d];
  return product;
}

Array::Array(PyObject* object, const char* name) {
  if (!ReadTorch(object, name) && !ReadBuffer(object, name) && !ReadDlpack(object, name)) {
    Raise(PyExc_TypeError, "%s is a %R, which gives neither a buffer nor DLPack", name, Py_TYPE(object));
  }
  CheckAligned(name);
}

bool Array::ReadTorch(PyObject* object, const char* name) {
  const Torch* torch = FindTorch();
  if (torch == nullptr) return false;
  const int is_tensor = PyObject_IsInstance(object, torch->tensor);
  Checked(is_tensor);
  if (is_tensor == 0) return false;
  if (!IsTrue(object, "is_cpu")) {
    Raise(PyExc_ValueError, "%s is on device %S; simdrope works on the CPU", name, Attribute(object, "device").get());
  }
  if (IsTrue(object, "is_sparse") || IsTrue(object, "is_quantized") || IsTrue(object, "is_mkldnn")) {
    Raise(PyExc_ValueError, "%s has layout %S, not torch.strided", name, Attribute(object, "layout").get());
  }
  if (IsTrue(object, "requires_grad")) {
    Raise(PyExc_ValueError, "%s requires grad, which is not recorded here: use simdrope.torch, or detach()", name);
  }
  if (Call(object, "is_neg")) Raise(PyExc_ValueError, "%s is a negated view: resolve_neg() first", name);

  const Ref dtype = Checked(PyObject_GetAttr(object, torch->dtype));
  PyObject* known = PyDict_GetItemWithError(torch->elements, dtype.get());
  if (known == nullptr) Raise(PyExc_TypeError, "%s has dtype %S, which simdrope does not know", name, dtype.get());
  element = static_cast<Element>(PyLong_AsLong(known));

  const Ref sizes = Checked(PyObject_GetAttr(object, torch->shape));
  const Ref strides = Checked(PyObject_CallMethodObjArgs(object, torch->stride, nullptr));
  SetDims(&shape, PyTuple_Size(sizes.get()), name);
  ReadInts(sizes.get(), shape.dims, shape.sizes);
  ReadInts(strides.get(), shape.dims, shape.strides);
  const Ref address = Checked(PyObject_CallMethodObjArgs(object, torch->data_ptr, nullptr));
  data = PyLong_AsVoidPtr(address.get());
  if (PyErr_Occurred() != nullptr) throw Raised();
  writable = true;
  owner_ = NewRef(object);
  return true;
}

bool Array::ReadBuffer(PyObject* object, const char* name) {
  if (PyObject_CheckBuffer(object) == 0) return false;
  std::unique_ptr<Py_buffer> request(new Py_buffer);
  if (PyObject_GetBuffer(object, request.get(), PyBUF_STRIDED | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
    if (PyObject_GetBuffer(object, request.get(), PyBUF_STRIDED_RO | PyBUF_FORMAT) != 0) {
      // NumPy has no format for dtypes that it did not define itself, as bfloat16 of ml_dtypes.
      PyErr_Clear();
      Raise(PyExc_TypeError,
            "%s is an array whose dtype has no buffer: view it as an integer of its size, and say "
            "which format that is by simdrope.Tensor",
            name);
    }
  }
  buffer_.reset(request.release());
  const Py_buffer& buffer = *buffer_;
  if (!ElementOfFormat(buffer.format, buffer.itemsize, &element)) {
    Raise(PyExc_TypeError, "%s has elements of format '%s' and %zd bytes, which simdrope does not know", name,
          buffer.format, buffer.itemsize);
  }
  SetDims(&shape, buffer.ndim, name);
  for (int d = 0; d < shape.dims; ++d) {
    shape.sizes[d] = buffer.shape[d];
    if (buffer.strides[d] % buffer.itemsize != 0) {
      Raise(PyExc_ValueError, "%s has a stride of %zd bytes, no multiple of its element's %zd", name, buffer.strides[d],
            buffer.itemsize);
    }
    shape.strides[d] = buffer.strides[d] / buffer.itemsize;
  }
  data = buffer.buf;
  writable = buffer.readonly == 0;
  return true;
}

bool Array::ReadDlpack(PyObject* object, const char* name) {
  if (PyObject_HasAttrString(object, "__dlpack__") == 0) return false;
  const Ref device = Checked(PyObject_CallMethod(object, "__dlpack_device__", nullptr));
  const Ref kind = Checked(PySequence_GetItem(device.get(), 0));
  if (Int64(kind.get(), name) != kDLCPU) {
    Raise(PyExc_ValueError, "%s is on DLPack device %R; simdrope works on the CPU", name, device.get());
  }
  const Ref method = Attribute(object, "__dlpack__");
  const Ref none = Checked(PyTuple_New(0));
  const Ref keywords = Checked(Py_BuildValue("{s(ii)}", "max_version", 1, 0));
  Ref capsule(PyObject_Call(method.get(), none.get(), keywords.get()));
  if (!capsule) {  // of before DLPack 1.0
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw Raised();
    PyErr_Clear();
    capsule = Checked(PyObject_CallNoArgs(method.get()));
  }
  // The capsule keeps its name, so that it releases the memory itself when owner_ lets it go.
  const DLTensor* tensor = nullptr;
  if (PyCapsule_IsValid(capsule.get(), "dltensor_versioned") != 0) {
    const auto* managed =
        static_cast<const DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.get(), "dltensor_versioned"));
    if (managed->version.major != 1) {
      Raise(PyExc_BufferError, "%s has DLPack %u, not 1", name, static_cast<unsigned>(managed->version.major));
    }
    tensor = &managed->dl_tensor;
    writable = (managed->flags & DLPACK_FLAG_BITMASK_READ_ONLY) == 0;
  } else {
    const void* managed = PyCapsule_GetPointer(capsule.get(), "dltensor");
    if (managed == nullptr) throw Raised();
    tensor = &static_cast<const DLManagedTensor*>(managed)->dl_tensor;
    writable = true;  // what read-only arrays of before DLPack 1.0 cannot tell
  }
  if (tensor->dtype.lanes != 1 || !FindElement(tensor->dtype.code, tensor->dtype.bits, &element)) {
    Raise(PyExc_TypeError, "%s has DLPack type (%d, %d, %d), which simdrope does not know", name, tensor->dtype.code,
          tensor->dtype.bits, tensor->dtype.lanes);
  }
  SetDims(&shape, tensor->ndim, name);
  for (int d = 0; d < shape.dims; ++d) shape.sizes[d] = tensor->shape[d];
  if (tensor->strides == nullptr) {
    SetContiguous(&shape);
  } else {
    for (int d = 0; d < shape.dims; ++d) shape.strides[d] = tensor->strides[d];
  }
  data = static_cast<char*>(tensor->data) + tensor->byte_offset;
  owner_ = std::move(capsule);
  return true;
}

void Array::CheckAligned(const char* name) const {
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(SizeOf(element)) != 0 && shape.count() != 0) {
    Raise(PyExc_ValueError, "%s begins at %p, no multiple of its element's %lld bytes", name, data,
          static_cast<long long>(SizeOf(element)));
  }
}

void Array::WantWritable(const char* name) const {
  if (!writable) Raise(PyExc_ValueError, "%s is read-only", name);
}

Ref Describe(const Shape& shape) {
  std::string text = "[";
  const auto append = [&](const int64_t* values) {
    for (int d = 0; d < shape.dims; ++d) {
      if (d > 0) text += ", ";
      text += std::to_string(values[d]);
    }
  };
  append(shape.sizes);
  text += "], strides [";
  append(shape.strides);
  text += "]";
  return Checked(PyUnicode_FromString(text.c_str()));
}

}  // namespace simdrope::python
