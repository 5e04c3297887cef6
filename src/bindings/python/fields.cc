#include "fields.h"

#include <climits>
#include <cstring>

namespace simdrope::python {
namespace {

enum class Kind { kInt32, kInt64, kDouble, kFloat, kBool, kEnum };

struct Field {
  const char* name;
  Kind kind;
  size_t offset;
  const Names* names = nullptr;
};

#define FIELD(type, name, kind) \
  { #name, Kind::kind, offsetof(type, name), nullptr }
#define ENUM_FIELD(type, name, names) \
  { #name, Kind::kEnum, offsetof(type, name), &names }

const Field kConfigFields[] = {
    FIELD(simdrope_config, head_dim, kInt32),
    FIELD(simdrope_config, rotary_dim, kInt32),
    FIELD(simdrope_config, rotary_offset, kInt32),
    FIELD(simdrope_config, split, kInt32),
    ENUM_FIELD(simdrope_config, pairing, kPairings),
    ENUM_FIELD(simdrope_config, precision, kPrecisions),
    FIELD(simdrope_config, theta, kDouble),
    FIELD(simdrope_config, reversed, kBool),
    FIELD(simdrope_config, query_log_length, kDouble),
    ENUM_FIELD(simdrope_config, angle_order, kAngleOrders),
    FIELD(simdrope_config, pairs_in_sections, kBool),
};
const Field kScalingFields[] = {
    ENUM_FIELD(simdrope_scaling, type, kScalings),
    FIELD(simdrope_scaling, factor, kDouble),
    FIELD(simdrope_scaling, attention_factor, kDouble),
    FIELD(simdrope_scaling, attention_factor_given, kBool),
    FIELD(simdrope_scaling, original_max_position, kInt64),
    FIELD(simdrope_scaling, max_position, kInt64),
    FIELD(simdrope_scaling, seq_len, kInt64),
    FIELD(simdrope_scaling, low_freq_factor, kDouble),
    FIELD(simdrope_scaling, high_freq_factor, kDouble),
    FIELD(simdrope_scaling, beta_fast, kDouble),
    FIELD(simdrope_scaling, beta_slow, kDouble),
    FIELD(simdrope_scaling, truncate, kBool),
    FIELD(simdrope_scaling, extrapolation_factor, kDouble),
    FIELD(simdrope_scaling, mscale, kDouble),
    FIELD(simdrope_scaling, mscale_all_dim, kDouble),
    FIELD(simdrope_scaling, short_mscale, kDouble),
    FIELD(simdrope_scaling, long_mscale, kDouble),
    FIELD(simdrope_scaling, proportion, kDouble),
};
const Field kAxesFields[] = {
    FIELD(simdrope_axes, count, kInt32),
    ENUM_FIELD(simdrope_axes, layout, kAxisLayouts),
};
const Field kXposFields[] = {
    FIELD(simdrope_xpos, scale_base, kDouble),
    FIELD(simdrope_xpos, center, kDouble),
    FIELD(simdrope_xpos, center_at_half_length, kBool),
};
const Field kTemperatureFields[] = {
    FIELD(simdrope_temperature, beta, kDouble),
    FIELD(simdrope_temperature, length, kDouble),
    FIELD(simdrope_temperature, offset, kDouble),
};
const Field kNormFields[] = {
    ENUM_FIELD(simdrope_norm, type, kNorms),     FIELD(simdrope_norm, eps, kFloat),
    FIELD(simdrope_norm, weight_offset, kFloat), FIELD(simdrope_norm, over_all_heads, kBool),
    FIELD(simdrope_norm, after_rotation, kBool), FIELD(simdrope_norm, round, kBool),
};
const Field kStagesFields[] = {
    FIELD(simdrope_stages, input_hadamard, kInt32),
    FIELD(simdrope_stages, hadamard, kInt32),
    FIELD(simdrope_stages, scale, kFloat),
};

#undef FIELD
#undef ENUM_FIELD

const char* const kPairingNames[] = {"half", "interleaved", "same"};
const char* const kPrecisionNames[] = {"exact", "float32", "bf16_positions", "f16_positions"};
const char* const kScalingNames[] = {"none", "linear",   "llama3",       "ntk",          "dynamic",
                                     "yarn", "longrope", "proportional", "freq_factors", "explicit"};
const char* const kAxisLayoutNames[] = {"sections", "interleaved", "alternate", "restart",
                                        "strided",  "explicit",    "sum"};
const char* const kAngleOrderNames[] = {"of_pairs", "halves", "neighbours"};
const char* const kFormatNames[] = {"f32", "f16", "bf16", "f8_e4m3", "f8_e5m2", "i8", "u8", "q8_0", "q4_0"};
const char* const kOutOfRangeNames[] = {"reject", "identity", "skip"};
const char* const kNormNames[] = {"none", "rms", "l2", "layer"};

template <int count>
constexpr Names List(const char* const (&names)[count]) {
  return {names, count};
}

template <class T>
void Store(void* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}
template <class T>
T Load(const void* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

void ReadField(const Field& field, PyObject* value, const char* name, void* at) {
  switch (field.kind) {
    case Kind::kInt32: {
      const int64_t wide = Int64(value, name);
      if (wide < INT32_MIN || wide > INT32_MAX) Raise(PyExc_ValueError, "%s = %R does not fit 32 bits", name, value);
      return Store(at, static_cast<int32_t>(wide));
    }
    case Kind::kInt64: return Store(at, Int64(value, name));
    case Kind::kDouble: return Store(at, Double(value, name));
    case Kind::kFloat: return Store(at, static_cast<float>(Double(value, name)));
    case Kind::kBool: {
      const int truth = PyObject_IsTrue(value);
      Checked(truth);
      return Store(at, truth == 1);
    }
    case Kind::kEnum: return Store(at, ValueOf(*field.names, value, name));
  }
}

template <int count>
void ReadFields(PyObject* object, const char* what, const Field (&fields)[count], void* out) {
  for (const Field& field : fields) {
    const Ref value = Attribute(object, field.name);
    char name[64];
    PyOS_snprintf(name, sizeof(name), "%s.%s", what, field.name);
    ReadField(field, value.get(), name, static_cast<char*>(out) + field.offset);
  }
}

Ref MakeField(const Field& field, const void* at) {
  switch (field.kind) {
    case Kind::kInt32: return Checked(PyLong_FromLong(Load<int32_t>(at)));
    case Kind::kInt64: return Checked(PyLong_FromLongLong(Load<int64_t>(at)));
    case Kind::kDouble: return Checked(PyFloat_FromDouble(Load<double>(at)));
    case Kind::kFloat: return Checked(PyFloat_FromDouble(static_cast<double>(Load<float>(at))));
    case Kind::kBool: return Checked(PyBool_FromLong(Load<bool>(at)));
    case Kind::kEnum: return Checked(PyUnicode_FromString(field.names->first[Load<int>(at)]));
  }
  return Ref();
}

template <int count>
Ref MakeFields(const Field (&fields)[count], const void* in) {
  Ref keywords = Checked(PyDict_New());
  for (const Field& field : fields) {
    const Ref value = MakeField(field, static_cast<const char*>(in) + field.offset);
    Checked(PyDict_SetItemString(keywords.get(), field.name, value.get()));
  }
  return keywords;
}

template <class T, class Convert>
std::vector<T> ReadList(PyObject* object, const char* attribute, const char* name, const Convert& convert) {
  const Ref list = Attribute(object, attribute);
  const Ref tuple = Checked(PySequence_Tuple(list.get()));
  std::vector<T> values;
  for (Py_ssize_t i = 0; i < PyTuple_Size(tuple.get()); ++i) {
    values.push_back(convert(PyTuple_GetItem(tuple.get(), i), name));
  }
  return values;
}

int64_t Between(int64_t low, int64_t high, PyObject* item, const char* name) {
  const int64_t value = Int64(item, name);
  if (value < low || value > high) Raise(PyExc_ValueError, "%s has %R, beyond %lld", name, item, (long long)high);
  return value;
}

template <class T, class Convert>
void SetList(PyObject* keywords, const char* name, const T* values, int64_t count, const Convert& convert) {
  const Ref tuple = Checked(PyTuple_New(count));
  for (int64_t i = 0; i < count; ++i) {
    Checked(PyTuple_SetItem(tuple.get(), i, Checked(convert(values[i])).release()));
  }
  Checked(PyDict_SetItemString(keywords, name, tuple.get()));
}

Ref Construct(PyObject* module, const char* type, PyObject* keywords) {
  const Ref constructor = Attribute(module, type);
  const Ref none = Checked(PyTuple_New(0));
  return Checked(PyObject_Call(constructor.get(), none.get(), keywords));
}

}  // namespace

const Names kPairings = List(kPairingNames);
const Names kAngleOrders = List(kAngleOrderNames);
const Names kPrecisions = List(kPrecisionNames);
const Names kScalings = List(kScalingNames);
const Names kAxisLayouts = List(kAxisLayoutNames);
const Names kFormats = List(kFormatNames);
const Names kOutOfRange = List(kOutOfRangeNames);
const Names kNorms = List(kNormNames);

int ValueOf(const Names& names, PyObject* text, const char* argument) {
  const char* wanted = Text(text, argument);
  for (int i = 0; i < names.count; ++i) {
    if (std::strcmp(names.first[i], wanted) == 0) return i;
  }
  Ref list = Checked(PyUnicode_FromString(names.first[0]));
  for (int i = 1; i < names.count; ++i) list = Checked(PyUnicode_FromFormat("%U, %s", list.get(), names.first[i]));
  Raise(PyExc_ValueError, "%s = %R is none of %U", argument, text, list.get());
}

void ReadConfig(PyObject* config, OwnedConfig* out) {
  simdrope_config_init(&out->config);
  ReadFields(config, "config", kConfigFields, &out->config);

  simdrope_scaling& scaling = out->config.scaling;
  const Ref scaling_object = Attribute(config, "scaling");
  ReadFields(scaling_object.get(), "scaling", kScalingFields, &scaling);
  out->factors = ReadList<double>(scaling_object.get(), "factors", "scaling.factors", Double);
  out->long_factors = ReadList<double>(scaling_object.get(), "long_factors", "scaling.long_factors", Double);
  if (!out->long_factors.empty() && out->long_factors.size() != out->factors.size()) {
    Raise(PyExc_ValueError, "scaling.long_factors has %zd entries, scaling.factors %zd",
          static_cast<Py_ssize_t>(out->long_factors.size()), static_cast<Py_ssize_t>(out->factors.size()));
  }
  scaling.factor_count = static_cast<int32_t>(out->factors.size());
  scaling.factors = out->factors.empty() ? nullptr : out->factors.data();
  scaling.long_factors = out->long_factors.empty() ? nullptr : out->long_factors.data();

  simdrope_axes& axes = out->config.axes;
  const Ref axes_object = Attribute(config, "axes");
  ReadFields(axes_object.get(), "axes", kAxesFields, &axes);
  const std::vector<int64_t> sections =
      ReadList<int64_t>(axes_object.get(), "sections", "axes.sections",
                        [](PyObject* item, const char* name) { return Between(INT32_MIN, INT32_MAX, item, name); });
  if (sections.size() > SIMDROPE_MAX_AXES) {
    Raise(PyExc_ValueError, "axes.sections has %zd entries, more than %d", static_cast<Py_ssize_t>(sections.size()),
          SIMDROPE_MAX_AXES);
  }
  for (size_t i = 0; i < sections.size(); ++i) axes.sections[i] = static_cast<int32_t>(sections[i]);
  out->pair_axis = ReadList<uint8_t>(
      axes_object.get(), "pair_axis", "axes.pair_axis",
      [](PyObject* item, const char* name) { return static_cast<uint8_t>(Between(0, UINT8_MAX, item, name)); });
  axes.pair_axis_count = static_cast<int32_t>(out->pair_axis.size());
  axes.pair_axis = out->pair_axis.empty() ? nullptr : out->pair_axis.data();

  ReadFields(Attribute(config, "xpos").get(), "xpos", kXposFields, &out->config.xpos);
  ReadFields(Attribute(config, "temperature").get(), "temperature", kTemperatureFields, &out->config.temperature);
}

Ref MakeConfig(const simdrope_config& config) {
  const Ref module = Checked(PyImport_ImportModule("simdrope._types"));
  Ref keywords = MakeFields(kConfigFields, &config);
  const auto set = [&](const char* field, const char* type, PyObject* values) {
    const Ref part = Construct(module.get(), type, values);
    Checked(PyDict_SetItemString(keywords.get(), field, part.get()));
  };
  const Ref scaling = MakeFields(kScalingFields, &config.scaling);
  if (config.scaling.factors != nullptr) {
    SetList(scaling.get(), "factors", config.scaling.factors, config.scaling.factor_count, PyFloat_FromDouble);
  }
  if (config.scaling.long_factors != nullptr) {
    SetList(scaling.get(), "long_factors", config.scaling.long_factors, config.scaling.factor_count,
            PyFloat_FromDouble);
  }
  set("scaling", "Scaling", scaling.get());
  const Ref axes = MakeFields(kAxesFields, &config.axes);
  SetList(axes.get(), "sections", config.axes.sections, config.axes.count > 1 ? config.axes.count : 0,
          [](int32_t section) { return PyLong_FromLong(section); });
  if (config.axes.pair_axis != nullptr) {
    SetList(axes.get(), "pair_axis", config.axes.pair_axis, config.axes.pair_axis_count,
            [](uint8_t axis) { return PyLong_FromLong(axis); });
  }
  set("axes", "Axes", axes.get());
  set("xpos", "XPos", MakeFields(kXposFields, &config.xpos).get());
  set("temperature", "Temperature", MakeFields(kTemperatureFields, &config.temperature).get());
  return Construct(module.get(), "Config", keywords.get());
}

void ReadNorm(PyObject* norm, simdrope_norm* out) { ReadFields(norm, "norm", kNormFields, out); }
void ReadStages(PyObject* stages, simdrope_stages* out) { ReadFields(stages, "stages", kStagesFields, out); }

}  // namespace simdrope::python
