#include "io/hf_overrides.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <iterator>
#include <vector>

#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

template <class Enum>
struct Name {
  Enum value;
  std::string_view text;
};

constexpr Name<simdrope_pairing> kPairings[] = {{SIMDROPE_HALF, "half"}, {SIMDROPE_INTERLEAVED, "interleaved"}};
constexpr Name<simdrope_precision> kPrecisions[] = {{SIMDROPE_PRECISION_EXACT, "exact"},
                                                    {SIMDROPE_PRECISION_FLOAT32, "float32"},
                                                    {SIMDROPE_PRECISION_BF16_POSITIONS, "bf16_positions"},
                                                    {SIMDROPE_PRECISION_F16_POSITIONS, "f16_positions"}};
constexpr Name<simdrope_scaling_type> kScalings[] = {
    {SIMDROPE_SCALING_NONE, "none"},         {SIMDROPE_SCALING_LINEAR, "linear"},
    {SIMDROPE_SCALING_LLAMA3, "llama3"},     {SIMDROPE_SCALING_NTK, "ntk"},
    {SIMDROPE_SCALING_DYNAMIC, "dynamic"},   {SIMDROPE_SCALING_YARN, "yarn"},
    {SIMDROPE_SCALING_LONGROPE, "longrope"}, {SIMDROPE_SCALING_PROPORTIONAL, "proportional"},
    {SIMDROPE_SCALING_EXPLICIT, "explicit"}, {SIMDROPE_SCALING_FREQ_FACTORS, "freq_factors"}};
constexpr Name<simdrope_axis_layout> kLayouts[] = {
    {SIMDROPE_AXES_SECTIONS, "sections"},   {SIMDROPE_AXES_INTERLEAVED, "interleaved"},
    {SIMDROPE_AXES_ALTERNATE, "alternate"}, {SIMDROPE_AXES_RESTART, "restart"},
    {SIMDROPE_AXES_STRIDED, "strided"},     {SIMDROPE_AXES_EXPLICIT, "explicit"}};

// The setter of a list.
template <class Number>
using Set = void (Config::*)(std::vector<Number>);

// A list by pointer and count; empty where either is no list.
template <class Number>
struct Span {
  const Number* data;
  int32_t count;
  const Number* begin() const { return data; }
  const Number* end() const { return data == nullptr || count < 0 ? data : data + std::min(count, SIMDROPE_MAX_PAIRS); }
};

// Copies keys into fields.
class Reader {
 public:
  Reader(Keys& keys, Config& config) : keys_(keys), config_(config) {}

  void field(std::string_view name, double& value) { value = keys_.number({name}).value_or(value); }
  void field(std::string_view name, int64_t& value) { value = keys_.integer({name}).value_or(value); }
  void field(std::string_view name, bool& value) { value = keys_.boolean({name}).value_or(value); }
  void field(std::string_view name, int32_t& value) {
    const int64_t given = keys_.integer({name}).value_or(value);
    if (given > INT_MAX) reject("key ", keys_.path_of(name), " is ", given);
    value = static_cast<int32_t>(given);
  }
  template <class Enum, size_t N>
  void field(std::string_view name, Enum& value, const Name<Enum> (&names)[N]) {
    const std::optional<std::string> text = keys_.text({name});
    if (!text) return;
    const auto known = std::find_if(std::begin(names), std::end(names),
                                    [&](const Name<Enum>& candidate) { return candidate.text == *text; });
    if (known == std::end(names)) reject("key ", keys_.path_of(name), " is ", in_quotes(*text), ", which is not known");
    value = known->value;
  }
  template <size_t N>
  void field(std::string_view name, int32_t (&values)[N]) {
    const std::optional<std::vector<int32_t>> given = numbers<int32_t>(name, N);
    if (given) std::copy(given->begin(), given->end(), values);
  }
  template <class Number>
  void list(std::string_view name, const Number*, int32_t, Set<Number> set) {
    std::optional<std::vector<Number>> given = numbers<Number>(name, SIMDROPE_MAX_PAIRS);
    if (given) (config_.*set)(*std::move(given));
  }

 private:
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
  Config& config_;
};

// Collects the fields in which the config of the reading above differs from another one.
class Writer {
 public:
  explicit Writer(const unsigned char* other, const unsigned char* base) : other_(other), base_(base) {}
  JsonTree tree{Json::object()};

  template <class Number>
  void field(std::string_view name, const Number& value) {
    if (value != counterpart(value)) tree.root[std::string(name)] = value;
  }
  template <class Enum, size_t N>
  void field(std::string_view name, const Enum& value, const Name<Enum> (&names)[N]) {
    if (value == counterpart(value)) return;
    for (const Name<Enum>& known : names) {
      if (known.value == value) tree.root[std::string(name)] = known.text;
    }
  }
  template <size_t N>
  void field(std::string_view name, const int32_t (&values)[N]) {
    if (std::equal(values, values + N, counterpart(values))) return;
    tree.root[std::string(name)] = std::vector<int32_t>(values, values + N);
  }
  template <class Number>
  void list(std::string_view name, const Number* const& values, const int32_t& count, Set<Number>) {
    const Span<Number> mine = {values, count}, other = {counterpart(values), counterpart(count)};
    if (std::equal(mine.begin(), mine.end(), other.begin(), other.end())) return;
    tree.root[std::string(name)] = std::vector<Number>(mine.begin(), mine.end());
  }

 private:
  // The same field of the other config.
  template <class Field>
  const Field& counterpart(const Field& field) const {
    return *reinterpret_cast<const Field*>(other_ + (reinterpret_cast<const unsigned char*>(&field) - base_));
  }

  const unsigned char* other_;
  const unsigned char* base_;
};

// Every field of a config but scaling.seq_len, which is no fact of a model, and the counts of lists.
template <class Visitor, class Fields>
void visit(Visitor& visitor, Fields& c) {
  visitor.field("head_dim", c.head_dim);
  visitor.field("rotary_dim", c.rotary_dim);
  visitor.field("rotary_offset", c.rotary_offset);
  visitor.field("split", c.split);
  visitor.field("pairing", c.pairing, kPairings);
  visitor.field("precision", c.precision, kPrecisions);
  visitor.field("theta", c.theta);
  auto& s = c.scaling;
  visitor.field("scaling.type", s.type, kScalings);
  visitor.field("scaling.factor", s.factor);
  visitor.field("scaling.attention_factor", s.attention_factor);
  visitor.field("scaling.attention_factor_given", s.attention_factor_given);
  visitor.field("scaling.original_max_position", s.original_max_position);
  visitor.field("scaling.max_position", s.max_position);
  visitor.field("scaling.low_freq_factor", s.low_freq_factor);
  visitor.field("scaling.high_freq_factor", s.high_freq_factor);
  visitor.field("scaling.beta_fast", s.beta_fast);
  visitor.field("scaling.beta_slow", s.beta_slow);
  visitor.field("scaling.truncate", s.truncate);
  visitor.field("scaling.mscale", s.mscale);
  visitor.field("scaling.mscale_all_dim", s.mscale_all_dim);
  visitor.field("scaling.short_mscale", s.short_mscale);
  visitor.field("scaling.long_mscale", s.long_mscale);
  visitor.field("scaling.proportion", s.proportion);
  visitor.list("scaling.factors", s.factors, s.factor_count, &Config::set_factors);
  visitor.list("scaling.long_factors", s.long_factors, s.factor_count, &Config::set_long_factors);
  visitor.field("axes.count", c.axes.count);
  visitor.field("axes.layout", c.axes.layout, kLayouts);
  visitor.field("axes.sections", c.axes.sections);
  visitor.list("axes.pair_axis", c.axes.pair_axis, c.axes.pair_axis_count, &Config::set_pair_axis);
  visitor.field("xpos.scale_base", c.xpos.scale_base);
  visitor.field("xpos.center", c.xpos.center);
  visitor.field("xpos.center_at_half_length", c.xpos.center_at_half_length);
  visitor.field("temperature.beta", c.temperature.beta);
  visitor.field("temperature.length", c.temperature.length);
  visitor.field("temperature.offset", c.temperature.offset);
}

}  // namespace

void read_overrides(Keys& overrides, Config& config) {
  Reader reader(overrides, config);
  visit(reader, config);
  overrides.ignore("scaling.factor_count");  // version 0.1 wrote it; the lists say it
}

JsonTree write_overrides(const simdrope_config& wanted, const simdrope_config& read) {
  Writer writer(reinterpret_cast<const unsigned char*>(&read), reinterpret_cast<const unsigned char*>(&wanted));
  visit(writer, wanted);
  return std::move(writer.tree);
}

}  // namespace simdrope::io
