// Arguments of a call as simdrope's structs: tensors with layout, format, scales and slots; positions; rows.
#ifndef SIMDROPE_BINDINGS_PYTHON_TENSORS_H_
#define SIMDROPE_BINDINGS_PYTHON_TENSORS_H_

#include "array.h"

namespace simdrope::python {

// A simdrope_tensor and the arrays that it points into.
struct TensorArgument {
  simdrope_tensor tensor = SIMDROPE_TENSOR_INIT;
  Array data;
  Array scale;
  Array zero_point;
  Array slots;

  bool present() const { return tensor.heads != 0; }
};
// `object`: an array, or a simdrope.Tensor. `layout` NULL or None: by the number of dimensions, unless the Tensor says
// it.
void ReadTensor(PyObject* object, PyObject* layout, const char* name, bool written, TensorArgument* out);

struct PositionsArgument {
  simdrope_positions positions = SIMDROPE_POSITIONS_INIT;
  Array offsets;
  Array ids;
  Array cu_seqlens;
};
// `object`: None, an array of ids, or a simdrope.Positions; `start` is added where it is no None.
void ReadPositions(PyObject* object, PyObject* start, const char* name, PositionsArgument* out);

struct TableArgument {
  simdrope_table table = SIMDROPE_TABLE_INIT;
  Array cos;
  Array sin;
};
// [rows, columns] or [batches, rows, columns].
void ReadTable(PyObject* cos, PyObject* sin, const char* name, bool written, TableArgument* out);

simdrope_index_type IndexType(const Array& array, bool real, const char* name);
// An array of float32, or of bytes, [batches, rows] or [rows], contiguous.
void* ReadPerToken(PyObject* object, Element element, const char* name, bool written, Array* array);

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_TENSORS_H_
