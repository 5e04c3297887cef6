// Every field of a Config changes what is computed, and as the reference says.
#include <algorithm>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/config_fields.h"
#include "core/names.h"
#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

using simdrope::Config;
using simdrope::impl::Field;
using simdrope::impl::FieldRole;

constexpr int kPairs = 16;

// `base` with other values of one field at a time, and the names of all fields.
class Changes {
 public:
  explicit Changes(const Config& base) : work_(base) { simdrope::impl::VisitFields(*this, work_); }

  std::vector<std::pair<std::string, Config>> changed;
  std::set<std::string> fields;

  template <class T>
  void Value(const Field& field, T& x) {
    if (field.role == FieldRole::kCount) return;
    fields.insert(field.name);
    const T old = x;
    const auto add = [&](T value) {
      x = value;
      changed.emplace_back(field.name, work_);
      x = old;
    };
    if constexpr (std::is_same_v<T, bool>) {
      add(!old);
    } else if constexpr (std::is_enum_v<T>) {
      for (int32_t i = 0; i < simdrope::impl::NamedValues<T>(); ++i) add(static_cast<T>(i));
    } else if constexpr (std::is_floating_point_v<T>) {
      for (const double more : {0.25, 2.75}) add(old + more);
    } else {
      for (const T more : {2, 20, 8192}) add(old + more);
    }
  }
  template <size_t n>
  void Array(const Field& field, int32_t (&x)[n]) {
    fields.insert(field.name);
    std::rotate(x, x + 1, x + 3);
    changed.emplace_back(field.name, work_);
    std::rotate(x, x + 2, x + 3);
  }
  template <class FieldList>
  void List(FieldList list, Config& config) {
    fields.insert(list.field.name);
    if (list.Values(config) == nullptr) return;
    std::vector values(list.Values(config), list.Values(config) + list.Count(config));
    std::reverse(values.begin(), values.end());
    Config other = config;
    list.Set(other, std::move(values));
    changed.emplace_back(list.field.name, other);
  }

 private:
  Config work_;
};

std::vector<Config> Bases() {
  std::vector<Config> bases;
  Config plain(64);
  plain.rotary_dim = 2 * kPairs;
  std::vector<double> factors, long_factors;
  for (int i = 0; i < kPairs; ++i) {
    factors.push_back(1 + 0.125 * i);
    long_factors.push_back(3 + 0.25 * i);
  }
  // Each scaling, beyond the trained length and within it.
  for (int32_t type = 0; type < simdrope::impl::NamedValues<simdrope_scaling_type>(); ++type) {
    for (const int64_t seq_len : {0, 5000}) {
      Config config = plain;
      simdrope_scaling& s = config.scaling;
      s.type = static_cast<simdrope_scaling_type>(type);
      s.factor = 4;
      s.original_max_position = 4096;
      s.seq_len = seq_len;
      s.low_freq_factor = 1;
      s.high_freq_factor = 4;
      s.beta_fast = 32;
      s.beta_slow = 1;
      s.truncate = seq_len != 0;
      s.mscale = s.mscale_all_dim = 0.5;
      s.proportion = 0.5;
      config.set_factors(factors);
      config.set_long_factors(long_factors);
      bases.push_back(config);
    }
  }
  Config by_length = plain;
  by_length.scaling.type = SIMDROPE_SCALING_YARN;
  by_length.scaling.original_max_position = 4096;
  by_length.scaling.max_position = 16384;
  bases.push_back(by_length);
  // Each layout of the axes, and one axis with sections that more would take.
  std::vector<uint8_t> pair_axis(kPairs, 0);
  std::fill(pair_axis.begin(), pair_axis.begin() + 5, static_cast<uint8_t>(1));
  for (int32_t layout = 0; layout < simdrope::impl::NamedValues<simdrope_axis_layout>(); ++layout) {
    for (const auto pairing : {SIMDROPE_HALF, SIMDROPE_INTERLEAVED}) {
      for (const int32_t count : {1, 2, 3}) {
        Config config = plain;
        config.pairing = pairing;
        const int32_t sections[] = {8, 4, 4}, two[] = {10, 6, 0};
        std::copy_n(count == 2 ? two : sections, 3, config.axes.sections);
        config.axes.layout = static_cast<simdrope_axis_layout>(layout);
        config.axes.count = count;
        config.set_pair_axis(pair_axis);
        bases.push_back(config);
      }
    }
  }
  Config xpos = plain, temperature = plain;
  xpos.xpos = {512, 3, false};
  xpos.scaling.seq_len = 5000;
  temperature.temperature = {0.5, 2, 1};
  bases.insert(bases.end(), {xpos, temperature});
  return bases;
}

// Q and K of a few tokens after apply; empty: the config or the call is refused. `wrong`: where the reference differs.
std::vector<std::vector<char>> Applied(const Config& config, const Ids& ids, std::string* wrong) {
  const auto rope = simdrope::Rope::create(config);
  if (!rope.ok()) return {};
  Tensors tensors = MakeTensors(Layout::kBshd, {1, 3, 2, 1, 0, config.head_dim}, simdrope::f32);
  Job job;
  UseRope(*rope, config, ids, &job);
  job.row = RowsOfRope(config, FrequenciesOf(config), ids.view());
  job.in = job.out = tensors.qkv;
  Random random(7);
  FillInputs(job, Inputs::kTame, &random);
  simdrope::Status status;
  *wrong = CheckJob(job, BuffersOf(&tensors),
                    [&] { return status = simdrope::apply(rope->stream(ids.view()), tensors.qkv); });
  if (!status.ok()) return {};
  return BytesOf(BuffersOf(&tensors));
}

}  // namespace

TEST_CASE("every field of a Config changes what is computed, and as the reference says") {
  Random random(93);
  const Ids ids({IdsForm::kPerToken, 1, 3, SIMDROPE_MAX_AXES, 1000, 4000, false}, &random);
  std::set<std::string> all, changing;
  for (const Config& base : Bases()) {
    std::string wrong;
    const auto before = Applied(base, ids, &wrong);
    if (before.empty()) continue;
    CHECK_MESSAGE(wrong == "", wrong);
    const Changes changes(base);
    all = changes.fields;
    for (const auto& [field, config] : changes.changed) {
      const auto after = Applied(config, ids, &wrong);
      if (after.empty()) continue;
      CHECK_MESSAGE(wrong == "", field, ": ", wrong);
      if (after != before) changing.insert(field);
    }
  }
  CHECK(all.size() > 40);
  for (const std::string& field : all) CHECK_MESSAGE(changing.count(field) == 1, field, " changes nothing");
}
