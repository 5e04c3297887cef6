// Which configs are accepted, with which defaults, and what a refusal says.
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <string>

#include "core/config_fields.h"
#include "support.h"

namespace {

using simdrope::Config;

struct Refusal {
  const char* says;
  std::function<void(Config&)> spoil;
};

// Each of `refusals`, applied to a good config, is INVALID_ARGUMENT with these words.
void CheckRefusals(const Config& good, const std::vector<Refusal>& refusals) {
  REQUIRE(simdrope::Rope::create(good).ok());
  for (const Refusal& refusal : refusals) {
    Config config = good;
    refusal.spoil(config);
    const auto rope = simdrope::Rope::create(config);
    INFO(refusal.says);
    CHECK(rope.status().code() == SIMDROPE_INVALID_ARGUMENT);
    const bool said = rope.status().message().find(refusal.says) != std::string::npos;
    CHECK_MESSAGE(said, rope.status().message());
  }
}

Config With(simdrope_scaling_type type) {
  Config config(16);
  config.scaling.type = type;
  config.scaling.factor = 4;
  config.scaling.original_max_position = 4096;
  config.scaling.low_freq_factor = 1;
  config.scaling.high_freq_factor = 4;
  config.scaling.proportion = 0.5;
  config.set_factors({1, 2, 3, 4, 5, 6, 7, 8});
  config.set_long_factors({1, 2, 3, 4, 5, 6, 7, 8});
  return config;
}

Config WithAxes(simdrope_axis_layout layout, int count, std::initializer_list<int> sections) {
  Config config(16);
  config.axes.layout = layout;
  config.axes.count = count;
  int a = 0;
  for (const int section : sections) config.axes.sections[a++] = section;
  return config;
}

// Marks the bytes of the fields that VisitFields reaches.
struct ReachedBytes {
  const simdrope_config& config;
  bool reached[sizeof(simdrope_config)] = {};

  void Mark(const void* field, size_t size) {
    const size_t first = static_cast<size_t>(static_cast<const char*>(field) - reinterpret_cast<const char*>(&config));
    REQUIRE(first + size <= sizeof(config));
    for (size_t i = first; i < first + size; ++i) {
      CHECK_MESSAGE(!reached[i], "byte ", i, " belongs to two fields");
      reached[i] = true;
    }
  }
  template <class T>
  void Value(const simdrope::impl::Field&, const T& x) {
    Mark(&x, sizeof(x));
  }
  template <class T, size_t n>
  void Array(const simdrope::impl::Field&, const T (&x)[n]) {
    Mark(x, sizeof(x));
  }
  template <class FieldList>
  void List(FieldList list, const simdrope_config& c) {
    Mark(&list.Values(c), sizeof(list.Values(c)));
  }
};

}  // namespace

TEST_CASE("every byte of a Config is a listed field, padding, or room for later fields") {
  simdrope_config config;
  std::memset(&config, 0xff, sizeof(config));
  ReachedBytes fields{config};
  const simdrope_config& visited = config;
  simdrope::impl::VisitFields(fields, visited);
  fields.Mark(config.reserved, sizeof(config.reserved));
  bool is_padding[sizeof(config)] = {};
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(&config);
  unsigned char bytes[sizeof(config)];
  std::memcpy(bytes, &config, sizeof(config));
  for (size_t i = 0; i < sizeof(config); ++i) is_padding[i] = bytes[i] == 0;
#else  // clang 14 cannot tell: what lies between a field and the next multiple of 8 passes for padding
  for (size_t i = 1; i < sizeof(config); ++i) {
    is_padding[i] = !fields.reached[i] && i % 8 != 0 && (fields.reached[i - 1] || is_padding[i - 1]);
  }
#endif
  for (size_t i = 0; i < sizeof(config); ++i) {
    CHECK_MESSAGE(fields.reached[i] != is_padding[i], "byte ", i, " of simdrope_config is not listed in VisitFields");
  }
}

TEST_CASE("defaults") {
  Config config(128);
  const auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  const simdrope_rope_info info = rope->info();
  CHECK(info.head_dim == 128);
  CHECK(info.rotary_dim == 128);
  CHECK(info.rotary_offset == 0);
  CHECK(info.split == 64);
  CHECK(info.pairs == 64);
  CHECK(info.axes == 1);
  CHECK(info.pairing == SIMDROPE_HALF);
  CHECK(info.theta == 10000);
  CHECK(info.attention_factor == 1);
  CHECK(!info.distinct_keys);
  CHECK(!info.scales_queries);
  CHECK(config.scaling.truncate);
}

TEST_CASE("rotary_dim 0 is the rest of the head") {
  Config config(192);
  config.rotary_offset = 128;
  const auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  CHECK(rope->info().rotary_dim == 64);
  CHECK(rope->info().split == 32);
}

TEST_CASE("windows that do not fit are refused") {
  Config good(64);
  CheckRefusals(good, {
                          {"head_dim = 0", [](Config& c) { c.head_dim = 0; }},
                          {"head_dim = -8", [](Config& c) { c.head_dim = -8; }},
                          {"head_dim = 1026", [](Config& c) { c.head_dim = 1026; }},
                          {"rotary_dim = 3", [](Config& c) { c.rotary_dim = 3; }},
                          {"rotary_dim = -4", [](Config& c) { c.rotary_dim = -4; }},
                          {"rotary_dim = 66", [](Config& c) { c.rotary_dim = 66; }},
                          {"rotary_offset = -2", [](Config& c) { c.rotary_offset = -2; }},
                          {"rotary_offset = 3", [](Config& c) { c.rotary_offset = 3; }},
                          {"rotary_offset = 64", [](Config& c) { c.rotary_offset = 64; }},
                          {"rotary_offset = 2147483646", [](Config& c) { c.rotary_offset = 2147483646; }},
                          {"split = 4", [](Config& c) { c.split = 4; }},
                          {"split = 33", [](Config& c) { c.split = 33; }},
                          {"split = -32", [](Config& c) { c.split = -32; }},
                          {"split = 2147483647", [](Config& c) { c.split = 2147483647; }},
                          {"split = 40",
                           [](Config& c) {
                             c.pairing = SIMDROPE_INTERLEAVED;
                             c.split = 40;
                           }},
                          {"pairing = 2", [](Config& c) { c.pairing = SIMDROPE_SAME_PAIRING; }},
                          {"pairing = 7", [](Config& c) { c.pairing = static_cast<simdrope_pairing>(7); }},
                          {"precision = 9", [](Config& c) { c.precision = static_cast<simdrope_precision>(9); }},
                          {"theta = 0", [](Config& c) { c.theta = 0; }},
                          {"theta = -1", [](Config& c) { c.theta = -1; }},
                          {"theta = nan", [](Config& c) { c.theta = std::nan(""); }},
                          {"theta = inf", [](Config& c) { c.theta = INFINITY; }},
                      });
}

TEST_CASE("scalings without what they need are refused") {
  const auto factor = [](double value) { return [value](Config& c) { c.scaling.factor = value; }; };
  const auto length = [](int64_t value) { return [value](Config& c) { c.scaling.original_max_position = value; }; };
  CheckRefusals(With(SIMDROPE_SCALING_NONE),
                {{"scaling.type = 99", [](Config& c) { c.scaling.type = static_cast<simdrope_scaling_type>(99); }},
                 {"attention_factor = -1", [](Config& c) { c.scaling.attention_factor = -1; }},
                 {"attention_factor = inf", [](Config& c) { c.scaling.attention_factor = INFINITY; }},
                 {"seq_len = -5", [](Config& c) { c.scaling.seq_len = -5; }}});
  for (const auto type :
       {SIMDROPE_SCALING_LINEAR, SIMDROPE_SCALING_NTK, SIMDROPE_SCALING_LLAMA3, SIMDROPE_SCALING_DYNAMIC}) {
    CheckRefusals(With(type), {{"factor = 0", factor(0)},
                               {"factor = -2", factor(-2)},
                               {"factor = nan", factor(std::nan(""))},
                               {"factor = inf", factor(INFINITY)}});
  }
  for (const auto type :
       {SIMDROPE_SCALING_LLAMA3, SIMDROPE_SCALING_DYNAMIC, SIMDROPE_SCALING_YARN, SIMDROPE_SCALING_LONGROPE}) {
    CheckRefusals(With(type), {{"original_max_position = 0", length(0)}, {"original_max_position = -1", length(-1)}});
  }
  CheckRefusals(With(SIMDROPE_SCALING_LLAMA3),
                {{"low_freq_factor = 0", [](Config& c) { c.scaling.low_freq_factor = 0; }},
                 {"high_freq_factor = 0.5", [](Config& c) { c.scaling.high_freq_factor = 0.5; }}});
  CheckRefusals(With(SIMDROPE_SCALING_YARN),
                {{"factor", factor(0)}, {"beta_fast = -1", [](Config& c) { c.scaling.beta_fast = -1; }}});
  CheckRefusals(With(SIMDROPE_SCALING_PROPORTIONAL),
                {{"proportion = 0", [](Config& c) { c.scaling.proportion = 0; }},
                 {"proportion = 1.5", [](Config& c) { c.scaling.proportion = 1.5; }}});
  for (const auto type : {SIMDROPE_SCALING_LONGROPE, SIMDROPE_SCALING_FREQ_FACTORS, SIMDROPE_SCALING_EXPLICIT}) {
    CheckRefusals(With(type), {{"factor_count = 7", [](Config& c) { c.scaling.factor_count = 7; }},
                               {"factor_count = 3",
                                [](Config& c) {
                                  c.set_factors({1, 2, 3});
                                }},
                               {"factors is NULL", [](Config& c) { c.scaling.factors = nullptr; }},
                               {"factors[3] = nan", [](Config& c) {
                                  c.set_factors({1, 1, 1, NAN, 1, 1, 1, 1});
                                }}});
  }
  CheckRefusals(With(SIMDROPE_SCALING_LONGROPE),
                {{"long_factors[7] = 0",
                  [](Config& c) {
                    c.set_long_factors({1, 1, 1, 1, 1, 1, 1, 0});
                  }},
                 {"factor_count = 2",
                  [](Config& c) {
                    c.set_long_factors({1, 1});
                  }},
                 {"long_factors is NULL", [](Config& c) { c.scaling.long_factors = nullptr; }}});
  CheckRefusals(With(SIMDROPE_SCALING_EXPLICIT), {{"inv_freq[2] = 1e+10", [](Config& c) {
                                                     c.set_factors({1, 1, 1e10, 1, 1, 1, 1, 1});
                                                   }}});
}

TEST_CASE("axes that do not cover the pairs are refused") {
  CheckRefusals(Config(16), {{"axes.count = 0", [](Config& c) { c.axes.count = 0; }},
                             {"axes.count = 5", [](Config& c) { c.axes.count = 5; }}});
  CheckRefusals(WithAxes(SIMDROPE_AXES_SECTIONS, 3, {4, 2, 2}),
                {{"sum to 9", [](Config& c) { c.axes.sections[0] = 5; }},
                 {"sections[1] = -2", [](Config& c) { c.axes.sections[1] = -2; }},
                 {"axes.layout = 99", [](Config& c) { c.axes.layout = static_cast<simdrope_axis_layout>(99); }}});
  CheckRefusals(WithAxes(SIMDROPE_AXES_INTERLEAVED, 3, {4, 2, 2}),
                {{"wants 3 axes", [](Config& c) { c.axes.count = 2; }}});
  CheckRefusals(WithAxes(SIMDROPE_AXES_ALTERNATE, 3, {2, 3, 3}), {{"sections[1] = 4", [](Config& c) {
                                                                     c.axes.sections[1] = 4;
                                                                     c.axes.sections[2] = 2;
                                                                   }}});
  CheckRefusals(WithAxes(SIMDROPE_AXES_STRIDED, 2, {}), {{"not 3 and 8", [](Config& c) { c.axes.count = 3; }}});
  Config listed = WithAxes(SIMDROPE_AXES_EXPLICIT, 2, {});
  listed.set_pair_axis({0, 0, 0, 0, 1, 1, 1, 1});
  CheckRefusals(listed, {{"pair_axis[5] = 2",
                          [](Config& c) {
                            c.set_pair_axis({0, 0, 0, 0, 1, 2, 1, 1});
                          }},
                         {"pair_axis_count = 7",
                          [](Config& c) {
                            c.set_pair_axis({0, 0, 0, 0, 1, 1, 1});
                          }},
                         {"pair_axis_count = -1", [](Config& c) { c.axes.pair_axis_count = -1; }},
                         {"pair_axis is NULL", [](Config& c) { c.axes.pair_axis = nullptr; }}});
}

TEST_CASE("XPos and temperature want finite numbers") {
  Config good(16);
  good.xpos.scale_base = 512;
  good.temperature = {0.1, 8192, 0};
  CheckRefusals(good, {{"scale_base = -1", [](Config& c) { c.xpos.scale_base = -1; }},
                       {"center = inf", [](Config& c) { c.xpos.center = INFINITY; }},
                       {"temperature.length = 0", [](Config& c) { c.temperature.length = 0; }},
                       {"query_log_length = 1 ", [](Config& c) { c.query_log_length = 1; }},
                       {"query_log_length = -2", [](Config& c) { c.query_log_length = -2; }},
                       {"query_log_length = inf", [](Config& c) { c.query_log_length = INFINITY; }},
                       {"temperature.beta = inf", [](Config& c) { c.temperature.beta = INFINITY; }},
                       {"temperature.offset = nan", [](Config& c) { c.temperature.offset = std::nan(""); }}});
}

TEST_CASE("room for later fields is to be zero") {
  CheckRefusals(Config(16), {{"config.reserved[0] = 1", [](Config& c) { c.reserved[0] = 1; }},
                             {"] = 9", [](Config& c) { *std::rbegin(c.reserved) = 9; }}});
  const auto rope = simdrope::Rope::create(Config(16));
  for (const uint64_t room : rope->info().reserved) CHECK(room == 0);
}

TEST_CASE("a Config is small, owns its lists, and copies have lists of their own") {
  static_assert(sizeof(simdrope_config) < 1024);
  Config copy, assigned(8, 3.0);
  const simdrope_config empty = Config();
  CHECK(empty.scaling.factors == nullptr);
  {
    Config original = With(SIMDROPE_SCALING_LONGROPE);
    original.set_pair_axis({0, 1, 0, 1, 0, 1, 0, 1});
    copy = original;
    assigned = Config(original);
    CHECK(copy.scaling.factors != original.scaling.factors);
    CHECK(copy.axes.pair_axis != original.axes.pair_axis);
    original.set_factors({});
    CHECK(original.scaling.factors == nullptr);
    CHECK(original.scaling.factor_count == 8);
    original.set_long_factors({});
    CHECK(original.scaling.factor_count == 0);
  }
  for (const Config& config : {copy, assigned}) {
    CHECK(config.scaling.factor_count == 8);
    CHECK(config.scaling.factors[7] == 8);
    CHECK(config.scaling.long_factors[7] == 8);
    CHECK(config.axes.pair_axis_count == 8);
    CHECK(config.axes.pair_axis[7] == 1);
    CHECK(simdrope::Rope::create(config).ok());
  }
  const Config& same = copy;
  copy = same;
  CHECK(copy.scaling.factors[7] == 8);

  // A list set by hand stays the caller's.
  std::vector<double> borrowed(8, 2.0);
  copy.scaling.factors = borrowed.data();
  const Config other = copy;
  CHECK(other.scaling.factors == borrowed.data());
  CHECK(other.scaling.long_factors != copy.scaling.long_factors);
}

TEST_CASE("an attention factor of 0 can be meant") {
  Config config = With(SIMDROPE_SCALING_YARN);
  CHECK(simdrope::Rope::create(config)->info().attention_factor > 1);
  config.scaling.attention_factor_given = true;
  CHECK(simdrope::Rope::create(config)->info().attention_factor == 0);
  config.scaling.attention_factor = 2;
  CHECK(simdrope::Rope::create(config)->info().attention_factor == 2);
}

TEST_CASE("NULL is harmless where there is nothing to tell") {
  simdrope_config_init(nullptr);
  simdrope_rope_retain(nullptr);
  simdrope_rope_release(nullptr);
  simdrope_rope_describe(nullptr, nullptr);
  const auto rope = simdrope::Rope::create(Config(16));
  simdrope_rope_describe(rope->get(), nullptr);
  simdrope_rope_info info;
  info.pairs = 7;
  simdrope_rope_describe(nullptr, &info);
  CHECK(info.pairs == 0);
}

TEST_CASE("fields that a scaling does not use may hold anything") {
  Config config(16);
  config.scaling.factor = -3;
  config.scaling.factor_count = 99;
  config.axes.pair_axis_count = -5;
  config.scaling.low_freq_factor = std::nan("");
  config.axes.sections[0] = -7;
  config.temperature.length = -1;
  CHECK(simdrope::Rope::create(config).ok());
}
