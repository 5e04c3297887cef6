#include "call.h"

#include "fields.h"
#include "rope.h"

namespace simdrope::python {
namespace {

constexpr const char* kIn[] = {"q", "k", "v"};
constexpr const char* kOut[] = {"out[0]", "out[1]", "out[2]"};
simdrope_tensor simdrope_qkv::*const kOperands[] = {&simdrope_qkv::q, &simdrope_qkv::k, &simdrope_qkv::v};
simdrope_stages simdrope_options::*const kStages[] = {&simdrope_options::q, &simdrope_options::k, &simdrope_options::v};

// A weight or bias: [head_dim], or [heads, head_dim].
const void* ReadWeight(PyObject* object, const char* name, const TensorArgument& tensor, Array* array,
                       simdrope_norm* norm) {
  *array = Array(object, name);
  const Shape& shape = array->shape;
  const int64_t head_dim = tensor.tensor.head_dim, heads = tensor.tensor.heads;
  const bool fits = (shape.dims == 1 && shape.sizes[0] == head_dim) ||
                    (shape.dims == 2 && shape.sizes[0] == heads && shape.sizes[1] == head_dim);
  if (!fits || (shape.strides[shape.dims - 1] != 1 && head_dim > 1)) {
    Raise(PyExc_ValueError, "%s is %U, not [%lld] or [%lld, %lld] with adjoining elements", name, Describe(shape).get(),
          static_cast<long long>(head_dim), static_cast<long long>(heads), static_cast<long long>(head_dim));
  }
  simdrope_format format = SIMDROPE_F32;
  switch (array->element) {
    case Element::kF32: break;
    case Element::kF16: format = SIMDROPE_F16; break;
    case Element::kBF16: format = SIMDROPE_BF16; break;
    default: Raise(PyExc_TypeError, "%s has elements of %s", name, NameOf(array->element));
  }
  const int64_t head_stride = shape.dims == 2 ? shape.strides[0] : 0;
  if (norm->weight != nullptr && (norm->weight_format != format || norm->weight_head_stride != head_stride)) {
    Raise(PyExc_ValueError, "%s has another dtype or shape than the norm's weight", name);
  }
  norm->weight_format = format;
  norm->weight_head_stride = head_stride;
  return array->data;
}

void ReadStagesOf(PyObject* object, const char* operand, const TensorArgument& tensor, StagesArgument* kept,
                  simdrope_stages* stages) {
  if (IsNone(object)) return;
  ReadStages(object, stages);
  const Ref norm = Attribute(object, "norm");
  if (IsNone(norm.get())) return;
  ReadNorm(norm.get(), &stages->norm);
  char name[64];
  const Ref weight = Attribute(norm.get(), "weight"), bias = Attribute(norm.get(), "bias");
  if (!IsNone(weight.get())) {
    PyOS_snprintf(name, sizeof(name), "%s_stages.norm.weight", operand);
    stages->norm.weight = ReadWeight(weight.get(), name, tensor, &kept->weight, &stages->norm);
  }
  if (!IsNone(bias.get())) {
    PyOS_snprintf(name, sizeof(name), "%s_stages.norm.bias", operand);
    stages->norm.bias = ReadWeight(bias.get(), name, tensor, &kept->bias, &stages->norm);
  }
}

// Tokens of a call, for tensors whose slots are the positions.
void SetStep(simdrope_tensor* tensor, const simdrope_tensor& step) {
  if (tensor->slots.source != SIMDROPE_SLOTS_POSITIONS) return;
  tensor->slots.batch = step.batch;
  tensor->slots.seq = step.seq;
}

}  // namespace

Call::Call(PyObject* arguments, PyObject* keywords, const char* function) {
  static const char* names[] = {"rows",
                                "q",
                                "k",
                                "v",
                                "out",
                                "start",
                                "positions",
                                "key_positions",
                                "layout",
                                "inverse",
                                "output_pairing",
                                "q_stages",
                                "k_stages",
                                "v_stages",
                                "threads",
                                nullptr};
  PyObject *rows = nullptr, *tensors[3] = {}, *outs = nullptr, *start = nullptr, *position_object = nullptr;
  PyObject *key_position_object = nullptr, *layout = nullptr, *output_pairing = nullptr, *stages[3] = {};
  int inverse = 0;
  char format[40];
  PyOS_snprintf(format, sizeof(format), "O|OOO$OOOOOpOOOOi:%s", function);
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, format, const_cast<char**>(names), &rows, &tensors[0],
                                  &tensors[1], &tensors[2], &outs, &start, &position_object, &key_position_object,
                                  &layout, &inverse, &output_pairing, &stages[0], &stages[1], &stages[2],
                                  &options.threads) == 0) {
    throw Raised();
  }

  has_out = !IsNone(outs);
  if (has_out && PySequence_Size(outs) > 3) {
    Raise(PyExc_ValueError, "out has %zd entries; it is (q, k, v)", PySequence_Size(outs));
  }
  if (PyErr_Occurred() != nullptr) throw Raised();
  for (int i = 0; i < 3; ++i) {
    Ref out_object;
    if (has_out && i < PySequence_Size(outs)) out_object = Checked(PySequence_GetItem(outs, i));
    const bool in_place = !has_out || (i < 2 && IsNone(out_object.get()));
    ReadTensor(tensors[i], layout, kIn[i], in_place, &in_tensors[i]);
    ReadTensor(out_object.get(), layout, kOut[i], true, &out_tensors[i]);
    in.*kOperands[i] = in_tensors[i].tensor;
    // Where out has no entry for Q or K they are rotated in place.
    out.*kOperands[i] = in_place ? in_tensors[i].tensor : out_tensors[i].tensor;
    ReadStagesOf(stages[i], kIn[i], in_tensors[i], &stages_[i], &(options.*kStages[i]));
  }
  for (int i = 0; i < 3; ++i) {
    const simdrope_tensor& step = in_tensors[i].tensor;
    SetStep(&(in.*kOperands[i]), step);
    SetStep(&(out.*kOperands[i]), step);
  }
  options.inverse = inverse != 0;
  if (!IsNone(output_pairing)) {
    options.output_pairing = static_cast<simdrope_pairing>(ValueOf(kPairings, output_pairing, "output_pairing"));
  }
  ReadPositions(position_object, start, "positions", &positions);
  if (!IsNone(key_position_object)) {
    ReadPositions(key_position_object, nullptr, "key_positions", &key_positions_);
    options.key_positions = &key_positions_.positions;
  }
  ReadRows(rows);
}

void Call::ReadRows(PyObject* rows) {
  cos_sin.positions = positions.positions;
  rows_ = NewRef(rows);
  if (IsNone(rows)) return;
  cos_sin.rope = RopeOf(rows);
  if (cos_sin.rope != nullptr) return;
  if (PyObject_HasAttrString(rows, "_simdrope_rows") == 0) {
    Raise(PyExc_TypeError, "rows is a %R, not a Rope, CosSin or Table", Py_TYPE(rows));
  }
  const auto read = [&](const char* cos_name, const char* sin_name, TableArgument* argument, simdrope_table* into) {
    const Ref cos = Attribute(rows, cos_name), sin = Attribute(rows, sin_name);
    if (IsNone(cos.get())) return;
    ReadTable(cos.get(), sin.get(), cos_name, false, argument);
    *into = argument->table;
  };
  read("cos", "sin", &table, &cos_sin.table);
  read("key_cos", "key_sin", &key_table_, &cos_sin.key_table);
  const Ref rope = Attribute(rows, "rope");
  if (!IsNone(rope.get())) {
    cos_sin.source = SIMDROPE_PREPARED;
    cos_sin.rope = RopeOf(rope.get());
    const Ref query_scale = Attribute(rows, "query_scale"), padding = Attribute(rows, "padding");
    if (!IsNone(query_scale.get())) {
      cos_sin.query_scale = static_cast<const float*>(
          ReadPerToken(query_scale.get(), Element::kF32, "query_scale", false, &query_scale_));
    }
    if (!IsNone(padding.get())) {
      cos_sin.padding =
          static_cast<const uint8_t*>(ReadPerToken(padding.get(), Element::kU8, "padding", false, &padding_));
    }
    return;
  }
  cos_sin.source = SIMDROPE_TABLE;
  cos_sin.rotary_dim = static_cast<int32_t>(Int64(Attribute(rows, "rotary_dim").get(), "rotary_dim"));
  cos_sin.rotary_offset = static_cast<int32_t>(Int64(Attribute(rows, "rotary_offset").get(), "rotary_offset"));
  cos_sin.split = static_cast<int32_t>(Int64(Attribute(rows, "split").get(), "split"));
  cos_sin.magnitude = static_cast<float>(Double(Attribute(rows, "magnitude").get(), "magnitude"));
  cos_sin.full_width = PyObject_IsTrue(Attribute(rows, "full_width").get()) == 1;
  cos_sin.pairing = static_cast<simdrope_pairing>(ValueOf(kPairings, Attribute(rows, "pairing").get(), "pairing"));
  cos_sin.out_of_range =
      static_cast<simdrope_out_of_range>(ValueOf(kOutOfRange, Attribute(rows, "out_of_range").get(), "out_of_range"));
  const Ref pair_axis = Attribute(rows, "pair_axis");
  if (!IsNone(pair_axis.get())) {
    cos_sin.pair_axis =
        static_cast<const uint8_t*>(ReadPerToken(pair_axis.get(), Element::kU8, "pair_axis", false, &pair_axis_));
    const int64_t columns = cos_sin.full_width ? cos_sin.table.columns / 2 : cos_sin.table.columns;
    const int64_t wanted = cos_sin.rotary_dim > 0 ? cos_sin.rotary_dim / 2 : columns;
    if (pair_axis_.shape.count() < wanted) {
      Raise(PyExc_ValueError, "pair_axis has %lld entries for %lld pairs",
            static_cast<long long>(pair_axis_.shape.count()), static_cast<long long>(wanted));
    }
  }
}

PyObject* Apply(PyObject*, PyObject* arguments, PyObject* keywords) {
  return Guard([&]() -> PyObject* {
    const Call call(arguments, keywords, "apply");
    Check(WithoutGil([&] { return simdrope_apply(&call.cos_sin, &call.in, call.out_or_null(), &call.options); }));
    Py_RETURN_NONE;
  });
}

PyObject* RotateHalf(PyObject*, PyObject* arguments, PyObject* keywords) {
  return Guard([&]() -> PyObject* {
    static const char* names[] = {"x", "out", "pairing", "layout", nullptr};
    PyObject *x = nullptr, *out = nullptr, *pairing = nullptr, *layout = nullptr;
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$OO:rotate_half", const_cast<char**>(names), &x, &out,
                                    &pairing, &layout) == 0) {
      throw Raised();
    }
    TensorArgument from, to;
    ReadTensor(x, layout, "x", false, &from);
    ReadTensor(out, layout, "out", true, &to);
    const auto value =
        IsNone(pairing) ? SIMDROPE_HALF : static_cast<simdrope_pairing>(ValueOf(kPairings, pairing, "pairing"));
    Check(WithoutGil([&] { return simdrope_rotate_half(&from.tensor, &to.tensor, value); }));
    Py_RETURN_NONE;
  });
}

PyObject* ComputeCosSin(PyObject*, PyObject* arguments, PyObject* keywords) {
  return Guard([&]() -> PyObject* {
    static const char* names[] = {"rope", "positions", "start",   "batch",       "seq",     "cos",
                                  "sin",  "key_cos",   "key_sin", "query_scale", "padding", nullptr};
    PyObject *rope, *position_object, *start, *cos, *sin, *key_cos, *key_sin, *query_scale, *padding;
    long long batch, seq;
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOLLOOOOOO:compute_cos_sin", const_cast<char**>(names),
                                    &rope, &position_object, &start, &batch, &seq, &cos, &sin, &key_cos, &key_sin,
                                    &query_scale, &padding) == 0) {
      throw Raised();
    }
    if (RopeOf(rope) == nullptr) Raise(PyExc_TypeError, "rope is a %R, not a Rope", Py_TYPE(rope));
    PositionsArgument positions;
    ReadPositions(position_object, start, "positions", &positions);
    TableArgument table, key_table;
    simdrope_cos_sin_output output = SIMDROPE_COS_SIN_OUTPUT_INIT;
    ReadTable(cos, sin, "cos", true, &table);
    output.table = table.table;
    if (!IsNone(key_cos)) {
      ReadTable(key_cos, key_sin, "key_cos", true, &key_table);
      output.key_table = key_table.table;
    }
    const int64_t tokens = table.table.batches * table.table.rows;
    Array scale_array, padding_array;
    const auto per_token = [&](PyObject* object, Element element, const char* name, Array* array) -> void* {
      if (IsNone(object)) return nullptr;
      void* const data = ReadPerToken(object, element, name, true, array);
      if (array->shape.count() != tokens) {
        Raise(PyExc_ValueError, "%s has %lld entries for %lld rows", name, static_cast<long long>(array->shape.count()),
              static_cast<long long>(tokens));
      }
      return data;
    };
    output.query_scale = static_cast<float*>(per_token(query_scale, Element::kF32, "query_scale", &scale_array));
    output.padding = static_cast<uint8_t*>(per_token(padding, Element::kU8, "padding", &padding_array));
    Check(WithoutGil(
        [&] { return simdrope_compute_cos_sin(RopeOf(rope), &positions.positions, batch, seq, &output, nullptr); }));
    Py_RETURN_NONE;
  });
}

}  // namespace simdrope::python
