#include "fields.h"

#include <array>
#include <climits>
#include <cstring>
#include <string>
#include <type_traits>

#include "core/config_fields.h"
#include "core/names.h"

namespace simdrope::python {
namespace {

template <class Enum>
inline constexpr auto kNamesOf = [] {
  std::array<const char*, impl::NamedValues<Enum>()> names{};
  for (size_t i = 0; i < names.size(); ++i) names[i] = impl::NameOf(static_cast<Enum>(i));
  return names;
}();

template <class List>
constexpr Names NamesIn(const List& names) {
  return {std::data(names), static_cast<int>(std::size(names))};
}

const char* const kPairingNames[] = {impl::NameOf(SIMDROPE_HALF), impl::NameOf(SIMDROPE_INTERLEAVED), "same"};
const char* const kOutOfRangeNames[] = {"reject", "identity", "skip"};
const char* const kNormNames[] = {"none", "rms", "l2", "layer"};

void Read(PyObject* value, const char* name, int32_t* out) {
  const int64_t wide = Int64(value, name);
  if (wide < INT32_MIN || wide > INT32_MAX) Raise(PyExc_ValueError, "%s = %R does not fit 32 bits", name, value);
  *out = static_cast<int32_t>(wide);
}
void Read(PyObject* value, const char* name, int64_t* out) { *out = Int64(value, name); }
void Read(PyObject* value, const char* name, double* out) { *out = Double(value, name); }
void Read(PyObject* value, const char* name, float* out) { *out = static_cast<float>(Double(value, name)); }
void Read(PyObject* value, const char*, bool* out) {
  const int truth = PyObject_IsTrue(value);
  Checked(truth);
  *out = truth == 1;
}
void Read(PyObject* value, const char* name, simdrope_norm_type* out) {
  *out = static_cast<simdrope_norm_type>(ValueOf(kNorms, value, name));
}
template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
void Read(PyObject* value, const char* name, Enum* out) {
  *out = static_cast<Enum>(ValueOf(NamesIn(kNamesOf<Enum>), value, name));
}

// The attribute `attribute` of `object`, which is called `what`.
template <class T>
void ReadAttribute(PyObject* object, const char* what, const char* attribute, T* out) {
  Read(Attribute(object, attribute).get(), (std::string(what) + "." + attribute).c_str(), out);
}

Ref Make(int32_t value) { return Checked(PyLong_FromLong(value)); }
Ref Make(int64_t value) { return Checked(PyLong_FromLongLong(value)); }
Ref Make(double value) { return Checked(PyFloat_FromDouble(value)); }
Ref Make(bool value) { return Checked(PyBool_FromLong(value)); }
template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
Ref Make(Enum value) {
  return Checked(PyUnicode_FromString(impl::NameOf(value)));
}

// "scaling.factor" is `factor` of a Config's `scaling`, "theta" the Config's own.
struct Place {
  std::string part;  // "": the Config
  const char* attribute;

  explicit Place(const char* field) {
    const char* dot = std::strchr(field, '.');
    if (dot != nullptr) part.assign(field, dot);
    attribute = dot != nullptr ? dot + 1 : field;
  }
};

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

Ref Construct(PyObject* module, const char* type, PyObject* keywords) {
  const Ref constructor = Attribute(module, type);
  const Ref none = Checked(PyTuple_New(0));
  return Checked(PyObject_Call(constructor.get(), none.get(), keywords));
}

}  // namespace

const Names kPairings = NamesIn(kPairingNames);
const Names kFormats = NamesIn(kNamesOf<simdrope_format>);
const Names kOutOfRange = NamesIn(kOutOfRangeNames);
const Names kNorms = NamesIn(kNormNames);

int ValueOf(const Names& names, PyObject* text, const char* argument) {
  const char* wanted = Text(text, argument);
  for (int i = 0; i < names.count; ++i) {
    if (std::strcmp(names.first[i], wanted) == 0) return i;
  }
  Ref list = Checked(PyUnicode_FromString(names.first[0]));
  for (int i = 1; i < names.count; ++i) list = Checked(PyUnicode_FromFormat("%U, %s", list.get(), names.first[i]));
  Raise(PyExc_ValueError, "%s = %R is none of %U", argument, text, list.get());
}

namespace {

class ConfigReader {
 public:
  ConfigReader(PyObject* config, OwnedConfig* out) : config_(config), out_(out) {}

  template <class T>
  void Value(const impl::Field& field, T& value) {
    if (field.role == impl::FieldRole::kCount) return;
    const Place place(field.name);
    if (place.part.empty()) return ReadAttribute(config_, "config", place.attribute, &value);
    ReadAttribute(Attribute(config_, place.part.c_str()).get(), place.part.c_str(), place.attribute, &value);
  }
  template <size_t n>
  void Array(const impl::Field& field, int32_t (&values)[n]) {
    const std::vector<int64_t> given = Numbers<int64_t>(
        field, [](PyObject* item, const char* name) { return Between(INT32_MIN, INT32_MAX, item, name); });
    if (given.size() > n) {
      Raise(PyExc_ValueError, "%s has %zd entries, more than %d", field.name, static_cast<Py_ssize_t>(given.size()),
            static_cast<int>(n));
    }
    for (size_t i = 0; i < given.size(); ++i) values[i] = static_cast<int32_t>(given[i]);
  }
  void List(impl::FactorsList list, simdrope_config& config) {
    out_->factors = Numbers<double>(list.field, Double);
    config.scaling.factor_count = static_cast<int32_t>(out_->factors.size());
    config.scaling.factors = out_->factors.empty() ? nullptr : out_->factors.data();
  }
  void List(impl::LongFactorsList list, simdrope_config& config) {
    out_->long_factors = Numbers<double>(list.field, Double);
    if (!out_->long_factors.empty() && out_->long_factors.size() != out_->factors.size()) {
      Raise(PyExc_ValueError, "scaling.long_factors has %zd entries, scaling.factors %zd",
            static_cast<Py_ssize_t>(out_->long_factors.size()), static_cast<Py_ssize_t>(out_->factors.size()));
    }
    config.scaling.long_factors = out_->long_factors.empty() ? nullptr : out_->long_factors.data();
  }
  void List(impl::PairAxisList list, simdrope_config& config) {
    out_->pair_axis = Numbers<uint8_t>(list.field, [](PyObject* item, const char* name) {
      return static_cast<uint8_t>(Between(0, UINT8_MAX, item, name));
    });
    config.axes.pair_axis_count = static_cast<int32_t>(out_->pair_axis.size());
    config.axes.pair_axis = out_->pair_axis.empty() ? nullptr : out_->pair_axis.data();
  }

 private:
  template <class T, class Convert>
  std::vector<T> Numbers(const impl::Field& field, const Convert& convert) {
    const Place place(field.name);
    return ReadList<T>(Attribute(config_, place.part.c_str()).get(), place.attribute, field.name, convert);
  }

  PyObject* config_;
  OwnedConfig* out_;
};

// Keywords for the constructors of Config and of its parts.
class ConfigMaker {
 public:
  explicit ConfigMaker(int32_t axes) : axes_(axes) {}

  template <class T>
  void Value(const impl::Field& field, const T& value) {
    if (field.role != impl::FieldRole::kCount) Set(field, Make(value));
  }
  template <size_t n>
  void Array(const impl::Field& field, const int32_t (&values)[n]) {
    Set(field, Tuple(values, axes_ > 1 ? axes_ : 0));
  }
  template <class FieldList>
  void List(FieldList list, const simdrope_config& config) {
    if (list.Values(config) != nullptr) Set(list.field, Tuple(list.Values(config), list.Count(config)));
  }
  Ref Done() {
    const Ref module = Checked(PyImport_ImportModule("simdrope._types"));
    for (const Part& part : parts_) {
      const Ref made = Construct(module.get(), part.type, part.keywords.get());
      Checked(PyDict_SetItemString(keywords_.get(), part.name, made.get()));
    }
    return Construct(module.get(), "Config", keywords_.get());
  }

 private:
  struct Part {
    const char* name;
    const char* type;  // in simdrope._types
    Ref keywords = Checked(PyDict_New());
  };

  template <class Number>
  static Ref Tuple(const Number* values, int64_t count) {
    using Item = std::conditional_t<std::is_integral_v<Number>, int32_t, Number>;
    Ref tuple = Checked(PyTuple_New(count));
    for (int64_t i = 0; i < count; ++i) {
      Checked(PyTuple_SetItem(tuple.get(), i, Make(static_cast<Item>(values[i])).release()));
    }
    return tuple;
  }
  void Set(const impl::Field& field, Ref value) {
    const Place place(field.name);
    PyObject* keywords = place.part.empty() ? keywords_.get() : nullptr;
    for (const Part& part : parts_) {
      if (place.part == part.name) keywords = part.keywords.get();
    }
    if (keywords == nullptr) Raise(PyExc_SystemError, "%s belongs to no part of simdrope._types.Config", field.name);
    Checked(PyDict_SetItemString(keywords, place.attribute, value.get()));
  }

  int32_t axes_;
  Ref keywords_ = Checked(PyDict_New());
  Part parts_[4] = {{"scaling", "Scaling"}, {"axes", "Axes"}, {"xpos", "XPos"}, {"temperature", "Temperature"}};
};

}  // namespace

void ReadConfig(PyObject* config, OwnedConfig* out) {
  simdrope_config_init(&out->config);
  ConfigReader reader(config, out);
  impl::VisitFields(reader, out->config);
}

Ref MakeConfig(const simdrope_config& config) {
  ConfigMaker maker(config.axes.count);
  impl::VisitFields(maker, config);
  return maker.Done();
}

void ReadNorm(PyObject* norm, simdrope_norm* out) {
  ReadAttribute(norm, "norm", "type", &out->type);
  ReadAttribute(norm, "norm", "eps", &out->eps);
  ReadAttribute(norm, "norm", "weight_offset", &out->weight_offset);
  ReadAttribute(norm, "norm", "over_all_heads", &out->over_all_heads);
  ReadAttribute(norm, "norm", "after_rotation", &out->after_rotation);
  ReadAttribute(norm, "norm", "round", &out->round);
}

void ReadStages(PyObject* stages, simdrope_stages* out) {
  ReadAttribute(stages, "stages", "input_hadamard", &out->input_hadamard);
  ReadAttribute(stages, "stages", "hadamard", &out->hadamard);
  ReadAttribute(stages, "stages", "scale", &out->scale);
}

}  // namespace simdrope::python
