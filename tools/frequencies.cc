#include "frequencies.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "failure.h"
#include "names.h"
#include "svg.h"

namespace simdrope::tool {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> Wavelengths(const simdrope_rope_info& info) {
  std::vector<double> wavelengths;
  for (int i = 0; i < info.pairs; ++i) wavelengths.push_back(Wavelength(info.inv_freq[i]));
  return wavelengths;
}

// JSON knows no infinity: null stands for a pair that never turns.
Json FiniteOrNull(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(std::isfinite(value) ? Json(value) : Json(nullptr));
  return list;
}

Json PairAxes(const simdrope_rope_info& info) {
  if (info.axes == 1) return nullptr;
  return std::vector<int>(info.pair_axis, info.pair_axis + info.pairs);
}

// What the two RoPEs are apart from their frequencies.
Json Fields(const RopeChoice& choice, const simdrope_rope_info& info) {
  return {{"head_dim", info.head_dim},
          {"rotary_dim", info.rotary_dim},
          {"rotary_offset", info.rotary_offset},
          {"split", info.split},
          {"pairing", NameOf(kPairings, info.pairing)},
          {"precision", NameOf(kPrecisions, choice.config.precision)},
          {"theta", info.theta},
          {"scaling", NameOf(kScalings, choice.config.scaling.type)},
          {"attention_factor", info.attention_factor},
          {"axes", info.axes},
          {"pair_axis", PairAxes(info)},
          {"xpos_scale_base", choice.config.xpos.scale_base},
          {"temperature_beta", choice.config.temperature.beta},
          {"pairs_in_sections", choice.config.pairs_in_sections},
          {"angle_order", NameOf(kAngleOrders, choice.config.angle_order)},
          {"max_position", choice.max_position}};
}

}  // namespace

double Wavelength(double inv_freq) {
  constexpr double kTurn = 6.283185307179586477;
  return inv_freq == 0 ? std::numeric_limits<double>::infinity() : kTurn / std::fabs(inv_freq);
}

Json Describe(const RopeChoice& choice, const Rope& rope) {
  const simdrope_rope_info info = rope.info();
  Json json = {{"model_type", choice.model_type}, {"layer_type", choice.layer_type}};
  if (choice.layer_types.size() > 1) json["layer_types"] = choice.layer_types;
  json.update(Fields(choice, info));
  json["inv_freq"] = std::vector<double>(info.inv_freq, info.inv_freq + info.pairs);
  json["wavelengths"] = FiniteOrNull(Wavelengths(info));
  if (choice.config.scaling.original_max_position > 0) {
    json["original_max_position"] = choice.config.scaling.original_max_position;
  }
  if (!choice.warnings.empty()) json["warnings"] = choice.warnings;
  return json;
}

std::string Plot(const RopeChoice& choice, const Rope& rope, const std::string& title) {
  const simdrope_scaling& scaling = choice.config.scaling;
  Chart chart{title, "pair", "wavelength (positions)", {}, {}};
  const std::vector<double> scaled = Wavelengths(rope.info());
  if (scaling.type == SIMDROPE_SCALING_NONE) {
    chart.series.push_back({"not scaled", "#1f6fb4", scaled});
  } else {
    Config plain = choice.config;
    plain.scaling.type = SIMDROPE_SCALING_NONE;
    const Rope plain_rope = Compile(plain, "unscaled");
    chart.series.push_back({"unscaled", "#b0b0b0", Wavelengths(plain_rope.info())});
    chart.series.push_back({Text("scaled: ", NameOf(kScalings, scaling.type)), "#1f6fb4", scaled});
  }
  if (choice.max_position > 0) {
    chart.marks.push_back({Text("context length ", choice.max_position), static_cast<double>(choice.max_position)});
  }
  if (scaling.original_max_position > 0 && scaling.original_max_position != choice.max_position) {
    chart.marks.push_back(
        {Text("trained length ", scaling.original_max_position), static_cast<double>(scaling.original_max_position)});
  }
  return ToSvg(chart);
}

Json Difference(const RopeChoice& first, const Rope& first_rope, const RopeChoice& second, const Rope& second_rope) {
  const simdrope_rope_info a = first_rope.info(), b = second_rope.info();
  const Json a_fields = Fields(first, a), b_fields = Fields(second, b);
  Json fields = Json::array();
  for (const auto& [name, value] : a_fields.items()) {
    if (value != b_fields[name]) fields.push_back({{"field", name}, {"first", value}, {"second", b_fields[name]}});
  }
  const int64_t position = std::max(first.max_position, second.max_position);
  Json pairs = Json::array();
  double worst = 0;
  for (int i = 0; i < std::min(a.pairs, b.pairs); ++i) {
    if (a.inv_freq[i] == b.inv_freq[i]) continue;
    const double radians = std::fabs(a.inv_freq[i] - b.inv_freq[i]) * static_cast<double>(position);
    worst = std::max(worst, radians);
    pairs.push_back({{"pair", i}, {"first", a.inv_freq[i]}, {"second", b.inv_freq[i]}, {"radians", radians}});
  }
  return {{"same", fields.empty() && pairs.empty()},
          {"fields", fields},
          {"position", position},
          {"worst_radians", worst},
          {"pairs", pairs}};
}

}  // namespace simdrope::tool
