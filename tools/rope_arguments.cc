#include "rope_arguments.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <type_traits>

#include "core/config_fields.h"
#include "failure.h"
#include "names.h"
#include "option_names.h"

namespace simdrope::tool {
namespace {

std::string LayerTypes(const io::Model& model) {
  std::string all;
  for (const io::LayerRope& rope : model.ropes) {
    all += (all.empty() ? "" : ", ") + (rope.layer_type.empty() ? "(unnamed)" : rope.layer_type);
  }
  return all;
}

using impl::Field;
using impl::FieldRole;

// "scaling.factor" is listed under "scaling".
std::string GroupOf(const char* field) {
  const std::string name = field;
  const size_t dot = name.find('.');
  return dot == std::string::npos ? "Which RoPE" : "Which RoPE: " + name.substr(0, dot);
}

// Version 0.1 wrote "default" for none and bf16-positions for bf16_positions.
template <class Enum>
Enum ParseName(const std::string& option, std::string text) {
  if (std::is_same_v<Enum, simdrope_scaling_type> && text == "default") text = "none";
  if (std::is_same_v<Enum, simdrope_precision>) std::replace(text.begin(), text.end(), '-', '_');
  return Parse(LibraryNames<Enum>(), option.c_str(), text);
}

// Makes an option of each field.
class OptionsOfFields {
 public:
  OptionsOfFields(CLI::App& app, std::map<std::string, const CLI::Option*>& options) : app_(app), options_(options) {}

  template <class T>
  void Value(const Field& field, T& value) {
    if (field.role == FieldRole::kCount) return;
    const std::string option = OptionOf(field.name);
    if constexpr (std::is_enum_v<T>) {
      const auto read = [option, &value](const std::string& text) { value = ParseName<T>(option, text); };
      Keep(field,
           app_.add_option_function<std::string>(option, read, Choices(LibraryNames<T>()) + ": " + field.meaning));
    } else if constexpr (std::is_same_v<T, bool>) {
      Keep(field, app_.add_flag(option + ",!--no-" + option.substr(2), value, field.meaning));
    } else {
      Keep(field, app_.add_option(option, value, field.meaning));
    }
  }
  template <size_t n>
  void Array(const Field& field, int32_t (&values)[n]) {
    const std::string option = OptionOf(field.name);
    const auto read = [option, &values](const std::vector<int32_t>& numbers) {
      if (numbers.size() > n) Fail(option, ": ", numbers.size(), " values, but at most ", n);
      std::copy(numbers.begin(), numbers.end(), values);
    };
    Keep(field, app_.add_option_function<std::vector<int32_t>>(option, read, field.meaning)->delimiter(','));
  }
  template <class FieldList>
  void List(FieldList list, Config& config) {
    using Number = std::remove_cv_t<std::remove_reference_t<decltype(*list.Values(config))>>;
    using Given = std::conditional_t<std::is_integral_v<Number>, int32_t, Number>;
    const std::string option = OptionOf(list.field.name);
    const auto read = [option, list, &config](const std::vector<Given>& numbers) {
      if (numbers.size() > SIMDROPE_MAX_PAIRS) {
        Fail(option, ": ", numbers.size(), " values, but at most ", SIMDROPE_MAX_PAIRS, " pairs");
      }
      for (const Given number : numbers) {
        if (std::is_integral_v<Number> && (number < 0 || number > std::numeric_limits<Number>::max())) {
          Fail(option, ": ", number, " is no axis");
        }
      }
      list.Set(config, std::vector<Number>(numbers.begin(), numbers.end()));
    };
    Keep(list.field, app_.add_option_function<std::vector<Given>>(option, read, list.field.meaning)->delimiter(','));
  }

 private:
  void Keep(const Field& field, CLI::Option* option) { options_[field.name] = option->group(GroupOf(field.name)); }

  CLI::App& app_;
  std::map<std::string, const CLI::Option*>& options_;
};

// Copies the fields whose option was given.
template <class IsGiven>
class GivenFields {
 public:
  explicit GivenFields(IsGiven is_given) : is_given_(is_given) {}

  template <class T>
  void Value(const Field& field, const T& given, T& value) {
    if (is_given_(field.name)) value = given;
  }
  template <size_t n>
  void Array(const Field& field, const int32_t (&given)[n], int32_t (&values)[n]) {
    if (is_given_(field.name)) std::copy(given, given + n, values);
  }
  template <class FieldList>
  void List(FieldList list, const Config& given, Config& config) {
    if (!is_given_(list.field.name)) return;
    const auto* first = list.Values(given);
    list.Set(config, std::vector(first, first + list.Count(given)));
  }

 private:
  IsGiven is_given_;
};

}  // namespace

void RopeArguments::AddTo(CLI::App& app) {
  const std::string group = "Which RoPE";
  app.add_option("--config", config, "A model's config.json or .gguf; the options below replace its values")
      ->group(group);
  app.add_option("--layer-type", layer_type, "Kind of layer, where a model has several (sliding_attention, ...)")
      ->group(group);
  app.add_flag("--allow-unknown", allow_unknown, "Warn about RoPE keys that are not understood, instead of failing")
      ->group(group);
  OptionsOfFields options(app, of_field_);
  impl::VisitFields(options, given_);
}

bool RopeArguments::IsGiven(const char* field) const {
  const auto option = of_field_.find(field);
  return option != of_field_.end() && !option->second->empty();
}

RopeChoice RopeArguments::ResolveFile(const std::string& path) const {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) Fail(path, ": no such file");
  io::ReadOptions options;
  options.allow_unknown = allow_unknown;
  options.seq_len = given_.scaling.seq_len;
  const io::Model model = Require(io::read_model(path, options), path);

  RopeChoice choice;
  choice.model_type = model.model_type;
  choice.max_position = model.max_position;
  choice.q_heads = model.q_heads;
  choice.k_heads = model.k_heads;
  choice.warnings = model.warnings;
  const io::LayerRope* rope = model.find(layer_type);
  if (rope == nullptr && layer_type.empty()) Fail(path, ": no layer of this model uses RoPE");
  if (rope == nullptr) Fail(path, ": no layer type '", layer_type, "'; the model has ", LayerTypes(model));
  if (!rope->rotary) Fail(path, ": layers of type '", rope->layer_type, "' use no RoPE");
  choice.layer_type = rope->layer_type;
  for (const io::LayerRope& each : model.ropes) choice.layer_types.push_back(each.layer_type);
  choice.config = rope->config;
  return choice;
}

RopeChoice RopeArguments::Resolve(int64_t head_dim_of_array) const {
  RopeChoice choice;
  if (!config.empty()) {
    choice = ResolveFile(config);
  } else if (!layer_type.empty()) {
    Fail("--layer-type wants --config");
  }
  Config& c = choice.config;
  if (c.head_dim == 0 && head_dim_of_array <= SIMDROPE_MAX_HEAD_DIM)
    c.head_dim = static_cast<int32_t>(head_dim_of_array);
  GivenFields copy([this](const char* field) { return IsGiven(field); });
  impl::VisitFields(copy, given_, c);
  if (c.pairing == interleaved && !IsGiven("split")) c.split = 0;

  const simdrope_scaling& s = c.scaling;
  if (IsGiven("scaling.max_position")) choice.max_position = s.max_position;
  if (choice.max_position == 0) choice.max_position = s.max_position;
  if (choice.max_position == 0 && s.original_max_position > 0) {
    choice.max_position = static_cast<int64_t>(static_cast<double>(s.original_max_position) * std::max(1.0, s.factor));
  }
  return choice;
}

Rope Compile(const Config& config, const std::string& about) {
  if (config.head_dim == 0) Fail("--head-dim or --config is needed");
  return Require(Rope::create(config), about);
}

}  // namespace simdrope::tool
