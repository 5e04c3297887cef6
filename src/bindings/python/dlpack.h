// What is read of DLPack, by its specification (dmlc.github.io/dlpack, versions 0.x and 1.x).
#ifndef SIMDROPE_BINDINGS_PYTHON_DLPACK_H_
#define SIMDROPE_BINDINGS_PYTHON_DLPACK_H_

#include <cstdint>

namespace simdrope::python {

inline constexpr int kDLCPU = 1;
inline constexpr uint64_t DLPACK_FLAG_BITMASK_READ_ONLY = 1;

enum DLDataTypeCode {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLBfloat = 4,
  kDLBool = 6,
  kDLFloat8_e4m3fn = 10,
  kDLFloat8_e5m2 = 12,
};

struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; NULL: contiguous
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);
};
struct DLPackVersion {
  uint32_t major;
  uint32_t minor;
};
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned* self);
  uint64_t flags;
  DLTensor dl_tensor;
};

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_DLPACK_H_
