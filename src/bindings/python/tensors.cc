#include "tensors.h"

#include <cstring>
#include <iterator>

#include "core/format.h"
#include "fields.h"

namespace simdrope::python {
namespace {

// Which elements an array has that holds a format, and how many bytes its blocks have.
struct FormatInfo {
  Element element;  // as it is found out where no format is given
  bool found_out;   // whether it is
  int64_t block;    // elements in a block
  int64_t bytes;    // bytes in a block
};
// In the order of simdrope_format.
constexpr FormatInfo kFormatInfos[] = {
    {Element::kF32, true, 1, 4},    {Element::kF16, true, 1, 2},    {Element::kBF16, true, 1, 2},
    {Element::kF8E4M3, true, 1, 1}, {Element::kF8E5M2, true, 1, 1}, {Element::kI8, true, 1, 1},
    {Element::kU8, true, 1, 1},     {Element::kU8, false, 32, 34},  {Element::kU8, false, 32, 18},
};
static_assert(std::size(kFormatInfos) == impl::kFormatCount);

simdrope_format FormatOf(const Array& array, PyObject* format, const char* name) {
  if (IsNone(format)) {
    for (int i = 0; i < kFormats.count; ++i) {
      if (kFormatInfos[i].found_out && kFormatInfos[i].element == array.element) return static_cast<simdrope_format>(i);
    }
    Raise(PyExc_TypeError, "%s has elements of %s, and no format is given for them", name, NameOf(array.element));
  }
  const int value = ValueOf(kFormats, format, name);
  const FormatInfo& info = kFormatInfos[value];
  const bool floats = array.element == Element::kF32 || array.element == Element::kF64;
  const bool fits = info.block > 1 ? SizeOf(array.element) == 1 : SizeOf(array.element) == info.bytes;
  // Bits may be held as integers of their size, but a float32 is no integer's bits.
  if (!fits || (floats && info.element != array.element)) {
    Raise(PyExc_TypeError, "%s has elements of %s, which hold no %s", name, NameOf(array.element),
          kFormats.first[value]);
  }
  return static_cast<simdrope_format>(value);
}

struct Dim {
  int64_t size = 1;
  int64_t stride = 0;
};
struct Layout {
  Dim batch, seq, heads, head_dim;
};

const char* LayoutText(PyObject* layout, int dims, const char* name) {
  if (!IsNone(layout)) return Text(layout, name);
  if (dims == 4) return "bshd";
  if (dims == 3) return "shd";
  Raise(PyExc_ValueError, "%s has %d dimensions; say what they are by layout, as in layout=\"bhsd\"", name, dims);
}

// By letters: b, s (or t, tokens), h and d, each at most once; s, h and d are there.
Layout ReadLayout(const Shape& shape, const char* letters, const char* name) {
  Layout layout;
  bool seen[4] = {};
  Dim* const dims[] = {&layout.batch, &layout.seq, &layout.heads, &layout.head_dim};
  int count = 0;
  for (const char* letter = letters; *letter != 0; ++letter, ++count) {
    if (std::strchr("bsthd", *letter) == nullptr)
      Raise(PyExc_ValueError, "%s: layout \"%s\" has letters other than b, s, t, h, d", name, letters);
    const int which = *letter == 'b' ? 0 : *letter == 'h' ? 2 : *letter == 'd' ? 3 : 1;
    if (seen[which]) Raise(PyExc_ValueError, "%s: layout \"%s\" has a letter twice", name, letters);
    seen[which] = true;
    if (count < shape.dims) *dims[which] = {shape.sizes[count], shape.strides[count]};
  }
  if (count != shape.dims) {
    Raise(PyExc_ValueError, "%s has %d dimensions, but layout \"%s\" has %d", name, shape.dims, letters, count);
  }
  if (!seen[1] || !seen[2] || !seen[3]) Raise(PyExc_ValueError, "%s: layout \"%s\" lacks s, h or d", name, letters);
  return layout;
}

// A stride in bytes as elements of a block format.
int64_t BlockStride(int64_t bytes, const FormatInfo& info, const char* name) {
  if (bytes % info.bytes != 0) {
    Raise(PyExc_ValueError, "%s has a stride of %lld bytes, no whole blocks of %lld", name,
          static_cast<long long>(bytes), static_cast<long long>(info.bytes));
  }
  return bytes / info.bytes * info.block;
}

// Scales [], or with the tensor's dimensions less the last one, or with all of them; of size 1 where they are shared.
float* ReadScales(PyObject* object, const char* letters, const char* name, bool written, Array* array,
                  simdrope_scales* scales) {
  *array = Array(object, name);
  if (written) array->WantWritable(name);
  if (array->element != Element::kF32)
    Raise(PyExc_TypeError, "%s has elements of %s, not float32", name, NameOf(array->element));
  const Shape& shape = array->shape;
  const int dims = static_cast<int>(std::strlen(letters));
  if (shape.dims != 0 && shape.dims != dims && shape.dims != dims - 1) {
    Raise(PyExc_ValueError, "%s is %U; its tensor has %d dimensions", name, Describe(shape).get(), dims);
  }
  for (int d = 0; d < shape.dims; ++d) {
    int64_t* const stride = letters[d] == 'b'   ? &scales->batch_stride
                            : letters[d] == 'h' ? &scales->head_stride
                            : letters[d] == 'd' ? &scales->element_stride
                                                : &scales->seq_stride;
    *stride = shape.sizes[d] == 1 ? 0 : shape.strides[d];
  }
  return static_cast<float*>(array->data);
}

// That each dimension of scales is the tensor's or 1.
void CheckScaleSizes(const Shape& scales, const Shape& data, const char* letters, const char* name) {
  for (int d = 0; d < scales.dims; ++d) {
    if (scales.sizes[d] != 1 && letters[d] != 'd' && scales.sizes[d] != data.sizes[d]) {
      Raise(PyExc_ValueError, "%s is %U, its tensor %U", name, Describe(scales).get(), Describe(data).get());
    }
  }
}

void ReadSlots(PyObject* object, const char* name, Array* array, simdrope_slots* slots) {
  if (PyUnicode_Check(object)) {
    const char* text = Text(object, name);
    if (std::strcmp(text, "positions") != 0) {
      Raise(PyExc_ValueError, "%s = %R is neither an array of ids nor \"positions\"", name, object);
    }
    slots->source = SIMDROPE_SLOTS_POSITIONS;
    return;
  }
  *array = Array(object, name);
  const Shape& shape = array->shape;
  if (shape.dims != 1 && shape.dims != 2) {
    Raise(PyExc_ValueError, "%s is %U, not [seq] or [batch, seq]", name, Describe(shape).get());
  }
  slots->source = SIMDROPE_SLOTS_IDS;
  slots->ids = array->data;
  slots->type = IndexType(*array, false, name);
  slots->batch = shape.dims == 2 ? shape.sizes[0] : 1;
  slots->batch_stride = shape.dims == 2 ? shape.strides[0] : 0;
  slots->seq = shape.sizes[shape.dims - 1];
  slots->seq_stride = shape.strides[shape.dims - 1];
}

}  // namespace

void ReadTensor(PyObject* object, PyObject* layout, const char* name, bool written, TensorArgument* out) {
  if (IsNone(object)) return;
  Ref array_object = NewRef(object), layout_object = NewRef(layout), format, scale, zero_point, slots;
  bool reject_duplicates = false, given = false;
  if (PyObject_HasAttrString(object, "_simdrope_tensor") != 0) {
    array_object = Attribute(object, "data");
    format = Attribute(object, "format");
    scale = Attribute(object, "scale");
    zero_point = Attribute(object, "zero_point");
    slots = Attribute(object, "slots");
    given = PyObject_IsTrue(Attribute(object, "scale_given").get()) == 1;
    reject_duplicates = PyObject_IsTrue(Attribute(object, "reject_duplicates").get()) == 1;
    Ref own = Attribute(object, "layout");
    if (!IsNone(own.get())) layout_object = std::move(own);
  }

  out->data = Array(array_object.get(), name);
  if (written) out->data.WantWritable(name);
  const Shape& shape = out->data.shape;
  const char* letters = LayoutText(layout_object.get(), shape.dims, name);
  const Layout read = ReadLayout(shape, letters, name);
  if (read.head_dim.stride != 1 && read.head_dim.size > 1) {
    Raise(PyExc_ValueError, "%s has a stride of %lld between the elements of a head; they must adjoin", name,
          static_cast<long long>(read.head_dim.stride));
  }
  simdrope_tensor& tensor = out->tensor;
  tensor.data = out->data.data;
  tensor.format = FormatOf(out->data, format.get(), name);
  tensor.batch = read.batch.size;
  tensor.seq = read.seq.size;
  tensor.heads = read.heads.size;
  tensor.head_dim = read.head_dim.size;
  tensor.batch_stride = read.batch.stride;
  tensor.seq_stride = read.seq.stride;
  tensor.head_stride = read.heads.stride;
  const FormatInfo& info = kFormatInfos[tensor.format];
  if (info.block > 1) {
    tensor.head_dim = BlockStride(read.head_dim.size, info, name);
    tensor.batch_stride = BlockStride(tensor.batch_stride, info, name);
    tensor.seq_stride = BlockStride(tensor.seq_stride, info, name);
    tensor.head_stride = BlockStride(tensor.head_stride, info, name);
  }

  char part[64];
  tensor.scales.given = given;
  const bool scales_written = written && !given;
  if (!IsNone(scale.get())) {
    PyOS_snprintf(part, sizeof(part), "%s.scale", name);
    tensor.scales.scale = ReadScales(scale.get(), letters, part, scales_written, &out->scale, &tensor.scales);
    CheckScaleSizes(out->scale.shape, shape, letters, part);
  }
  if (!IsNone(zero_point.get())) {
    simdrope_scales same = tensor.scales;
    PyOS_snprintf(part, sizeof(part), "%s.zero_point", name);
    tensor.scales.zero_point = ReadScales(zero_point.get(), letters, part, scales_written, &out->zero_point, &same);
    CheckScaleSizes(out->zero_point.shape, shape, letters, part);
    if (same.batch_stride != tensor.scales.batch_stride || same.seq_stride != tensor.scales.seq_stride ||
        same.head_stride != tensor.scales.head_stride) {
      Raise(PyExc_ValueError, "%s is %U, but scale is %U", part, Describe(out->zero_point.shape).get(),
            Describe(out->scale.shape).get());
    }
  }
  if (!IsNone(slots.get())) {
    PyOS_snprintf(part, sizeof(part), "%s.slots", name);
    ReadSlots(slots.get(), part, &out->slots, &tensor.slots);
    tensor.slots.reject_duplicates = reject_duplicates;
  }
}

simdrope_index_type IndexType(const Array& array, bool real, const char* name) {
  switch (array.element) {
    case Element::kI32: return SIMDROPE_INDEX_I32;
    case Element::kI64: return SIMDROPE_INDEX_I64;
    case Element::kF32:
      if (real) return SIMDROPE_INDEX_F32;
      break;
    case Element::kF64:
      if (real) return SIMDROPE_INDEX_F64;
      break;
    default: break;
  }
  Raise(PyExc_TypeError, "%s has elements of %s, not int32%s or int64", name, NameOf(array.element),
        real ? ", float32, float64" : "");
}

void ReadPositions(PyObject* object, PyObject* start, const char* name, PositionsArgument* out) {
  simdrope_positions& positions = out->positions;
  Ref ids, offsets, cu_seqlens;
  if (!IsNone(object) && PyObject_HasAttrString(object, "_simdrope_positions") != 0) {
    ids = Attribute(object, "ids");
    offsets = Attribute(object, "offsets");
    cu_seqlens = Attribute(object, "cu_seqlens");
    positions.start = Int64(Attribute(object, "start").get(), "positions.start");
    positions.padding = PyObject_IsTrue(Attribute(object, "padding").get()) == 1;
  } else {
    ids = NewRef(object);
  }
  if (!IsNone(start)) {
    const int64_t more = Int64(start, "start");
    if (more != 0 && positions.start != 0) {
      Raise(PyExc_ValueError, "start = %lld and %s.start = %lld are both given", static_cast<long long>(more), name,
            static_cast<long long>(positions.start));
    }
    if (more != 0) positions.start = more;
  }
  char part[64];
  if (!IsNone(ids.get())) {
    PyOS_snprintf(part, sizeof(part), "%s.ids", name);
    out->ids = Array(ids.get(), part);
    const Shape& shape = out->ids.shape;
    if (shape.dims < 1 || shape.dims > 3) {
      Raise(PyExc_ValueError, "%s is %U, not [seq], [batch, seq] or [axes, batch, seq]", part, Describe(shape).get());
    }
    const int d = shape.dims - 1;
    positions.ids = out->ids.data;
    positions.ids_type = IndexType(out->ids, true, part);
    positions.ids_seq = shape.sizes[d];
    positions.seq_stride = shape.sizes[d] == 1 ? 0 : shape.strides[d];
    positions.ids_batch = d >= 1 ? shape.sizes[d - 1] : 1;
    positions.batch_stride = d >= 1 ? shape.strides[d - 1] : 0;
    positions.ids_axes = d >= 2 ? static_cast<int32_t>(shape.sizes[0]) : 1;
    positions.axis_stride = d >= 2 ? shape.strides[0] : 0;
  }
  const auto vector = [&](PyObject* source, const char* field, Array* array) {
    PyOS_snprintf(part, sizeof(part), "%s.%s", name, field);
    *array = Array(source, part);
    if (array->shape.dims != 1 || (array->shape.sizes[0] > 1 && array->shape.strides[0] != 1)) {
      Raise(PyExc_ValueError, "%s is %U, not one contiguous dimension", part, Describe(array->shape).get());
    }
    return IndexType(*array, false, part);
  };
  if (!IsNone(offsets.get())) {
    positions.offsets_type = vector(offsets.get(), "offsets", &out->offsets);
    positions.offsets = out->offsets.data;
    positions.offsets_count = out->offsets.shape.sizes[0];
  }
  if (!IsNone(cu_seqlens.get())) {
    positions.cu_seqlens_type = vector(cu_seqlens.get(), "cu_seqlens", &out->cu_seqlens);
    positions.cu_seqlens = out->cu_seqlens.data;
    positions.sequences = out->cu_seqlens.shape.sizes[0] - 1;
    if (positions.sequences < 0) Raise(PyExc_ValueError, "%s is empty; it begins with 0", part);
  }
}

void ReadTable(PyObject* cos, PyObject* sin, const char* name, bool written, TableArgument* out) {
  out->cos = Array(cos, name);
  out->sin = Array(sin, name);
  const Shape &shape = out->cos.shape, &other = out->sin.shape;
  if (written) {
    out->cos.WantWritable(name);
    out->sin.WantWritable(name);
  }
  const size_t bytes = sizeof(int64_t) * static_cast<size_t>(shape.dims);
  const bool same = shape.dims == other.dims && std::memcmp(shape.sizes, other.sizes, bytes) == 0 &&
                    std::memcmp(shape.strides, other.strides, bytes) == 0;
  if (!same || out->cos.element != out->sin.element) {
    Raise(PyExc_ValueError, "%s: cos is %s %U, but sin is %s %U", name, NameOf(out->cos.element), Describe(shape).get(),
          NameOf(out->sin.element), Describe(other).get());
  }
  if (shape.dims != 2 && shape.dims != 3) {
    Raise(PyExc_ValueError, "%s is %U, not [rows, pairs] or [batches, rows, pairs]", name, Describe(shape).get());
  }
  const int d = shape.dims - 1;
  simdrope_table& table = out->table;
  table.cos = out->cos.data;
  table.sin = out->sin.data;
  table.format = FormatOf(out->cos, nullptr, name);
  table.batches = shape.dims == 3 ? shape.sizes[0] : 1;
  table.batch_stride = shape.dims == 3 ? shape.strides[0] : 0;
  table.rows = shape.sizes[d - 1];
  table.row_stride = shape.strides[d - 1];
  if (shape.sizes[d] > INT32_MAX) Raise(PyExc_ValueError, "%s is %U", name, Describe(shape).get());
  table.columns = static_cast<int32_t>(shape.sizes[d]);
  table.column_stride = shape.strides[d];
}

void* ReadPerToken(PyObject* object, Element element, const char* name, bool written, Array* array) {
  *array = Array(object, name);
  if (written) array->WantWritable(name);
  const Shape& shape = array->shape;
  bool contiguous = shape.dims <= 2;
  for (int64_t d = shape.dims, stride = 1; contiguous && d-- > 0; stride *= shape.sizes[d]) {
    contiguous = shape.sizes[d] <= 1 || shape.strides[d] == stride;
  }
  if (!contiguous || array->element != element) {
    Raise(PyExc_ValueError, "%s is %s %U, not contiguous %s [rows] or [batches, rows]", name, NameOf(array->element),
          Describe(shape).get(), NameOf(element));
  }
  return array->data;
}

}  // namespace simdrope::python
