#include "io/hf_overrides.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <type_traits>
#include <vector>

#include "core/config_fields.h"
#include "core/names.h"
#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

using impl::Field;
using impl::FieldRole;

// Copies keys into fields.
class Reader {
 public:
  explicit Reader(Keys& keys) : keys_(keys) {}

  template <class T>
  void Value(const Field& field, T& value) {
    if (field.role == FieldRole::kModel) read(field.name, value);
  }
  template <size_t n>
  void Array(const Field& field, int32_t (&values)[n]) {
    const std::optional<std::vector<int32_t>> given = numbers<int32_t>(field.name, n);
    if (given) std::copy(given->begin(), given->end(), values);
  }
  template <class FieldList>
  void List(FieldList list, Config& config) {
    using Number = std::remove_cv_t<std::remove_reference_t<decltype(*list.Values(config))>>;
    std::optional<std::vector<Number>> given = numbers<Number>(list.field.name, SIMDROPE_MAX_PAIRS);
    if (given) list.Set(config, *std::move(given));
  }

 private:
  void read(std::string_view name, double& value) { value = keys_.number({name}).value_or(value); }
  void read(std::string_view name, int64_t& value) { value = keys_.integer({name}).value_or(value); }
  void read(std::string_view name, bool& value) { value = keys_.boolean({name}).value_or(value); }
  void read(std::string_view name, int32_t& value) {
    const int64_t given = keys_.integer({name}).value_or(value);
    if (given > INT_MAX) reject("key ", keys_.path_of(name), " is ", given);
    value = static_cast<int32_t>(given);
  }
  template <class Enum>
  void read(std::string_view name, Enum& value) {
    const std::optional<std::string> text = keys_.text({name});
    if (!text) return;
    const std::optional<Enum> known = impl::ValueOf<Enum>(*text);
    if (!known) reject("key ", keys_.path_of(name), " is ", in_quotes(*text), ", which is not known");
    value = *known;
  }
  // A list of at most `most` numbers, each accepted by the field's type.
  template <class Number>
  std::optional<std::vector<Number>> numbers(std::string_view name, size_t most) {
    const std::optional<std::vector<double>> given = keys_.numbers({name});
    if (!given) return {};
    if (given->size() > most) reject("key ", keys_.path_of(name), " has ", given->size(), " numbers, more than ", most);
    for (const double number : *given) {
      if (!std::is_integral_v<Number>) break;
      const bool fits = number >= 0 && number <= (sizeof(Number) == 1 ? 255 : INT_MAX) && number == std::floor(number);
      if (!fits) reject("key ", keys_.path_of(name), " has an entry that is no count");
    }
    return std::vector<Number>(given->begin(), given->end());
  }

  Keys& keys_;
};

// Collects the fields in which the first config differs from the second.
class Writer {
 public:
  JsonTree tree{Json::object()};

  template <class T>
  void Value(const Field& field, const T& wanted, const T& read) {
    if (field.role != FieldRole::kModel || wanted == read) return;
    if constexpr (std::is_enum_v<T>) {
      if (const char* name = impl::NameOf(wanted)) {
        tree.root[field.name] = name;
      } else {
        tree.root[field.name] = static_cast<int32_t>(wanted);  // no value of the enum: reading refuses it
      }
    } else {
      tree.root[field.name] = wanted;
    }
  }
  template <size_t n>
  void Array(const Field& field, const int32_t (&wanted)[n], const int32_t (&read)[n]) {
    if (!std::equal(wanted, wanted + n, read)) tree.root[field.name] = std::vector<int32_t>(wanted, wanted + n);
  }
  template <class FieldList>
  void List(FieldList list, const simdrope_config& wanted, const simdrope_config& read) {
    const auto mine = values_of(list, wanted);
    if (mine != values_of(list, read)) tree.root[list.field.name] = mine;
  }

 private:
  // Empty where pointer or count say no list.
  template <class FieldList>
  static auto values_of(FieldList list, const simdrope_config& config) {
    const auto* first = list.Values(config);
    const int32_t count = first == nullptr ? 0 : std::clamp(list.Count(config), 0, SIMDROPE_MAX_PAIRS);
    return std::vector<std::remove_cv_t<std::remove_reference_t<decltype(*first)>>>(first, first + count);
  }
};

}  // namespace

void read_overrides(Keys& overrides, Config& config) {
  Reader reader(overrides);
  impl::VisitFields(reader, config);
  overrides.ignore("scaling.factor_count");  // version 0.1 wrote it; the lists say it
}

JsonTree write_overrides(const simdrope_config& wanted, const simdrope_config& read) {
  Writer writer;
  impl::VisitFields(writer, wanted, read);
  return std::move(writer.tree);
}

}  // namespace simdrope::io
