#include "model_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

#include "failure.h"
#include "frequencies.h"
#include "names.h"
#include "rope_arguments.h"
#include "svg.h"

namespace simdrope::tool {
namespace {

using Json = nlohmann::ordered_json;

// Angles are compared here where no file tells the longest position.
constexpr int64_t kPositionIfUntold = 4096;

Json Layers(const std::vector<int>& layers) { return layers.empty() ? Json(nullptr) : Json(layers); }

Json DescribeKind(const io::LayerRope& kind) {
  Json json = {{"name", kind.layer_type}, {"layers", Layers(kind.layers)}, {"rotary", kind.rotary}};
  const simdrope_temperature& temperature = kind.config.temperature;
  if (kind.rotary) {
    const Rope rope = Compile(kind.config, kind.layer_type);
    const simdrope_rope_info info = rope.info();
    json["pairing"] = NameOf(kPairings, info.pairing);
    json["head_dim"] = info.head_dim;
    json["rotary_dim"] = info.rotary_dim;
    json["rotary_offset"] = info.rotary_offset;
    json["theta"] = info.theta;
    json["scaling"] = NameOf(kScalings, kind.config.scaling.type);
    json["attention_factor"] = info.attention_factor;
    json["axes"] = info.axes;
    json["pair_axis"] = nullptr;
    if (info.axes > 1) json["pair_axis"] = std::vector<int>(info.pair_axis, info.pair_axis + info.pairs);
    json["inv_freq"] = std::vector<double>(info.inv_freq, info.inv_freq + info.pairs);
    json["xpos_scale_base"] = kind.config.xpos.scale_base;
    json["pairs_in_sections"] = kind.config.pairs_in_sections;
    json["angle_order"] = NameOf(kAngleOrders, kind.config.angle_order);
    json["reversed"] = kind.config.reversed;
    if (kind.config.reversed) {  // which has the sign
      for (Json& inv_freq : json["inv_freq"]) inv_freq = -inv_freq.get<double>();
    }
  } else {
    json["head_dim"] = kind.config.head_dim;
  }
  json["temperature_beta"] = temperature.beta;
  json["query_log_length"] = kind.config.query_log_length;
  if (temperature.beta != 0) {
    json["temperature_length"] = temperature.length;
    json["temperature_offset"] = temperature.offset;
  }
  return json;
}

// "0-2, 4-6, 8" of [0, 1, 2, 4, 5, 6, 8].
std::string Ranges(const Json& layers) {
  if (layers.is_null()) return "all, or untold";
  std::string text;
  const std::vector<int> list = layers;
  for (size_t i = 0; i < list.size();) {
    size_t end = i;
    while (end + 1 < list.size() && list[end + 1] == list[end] + 1) ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(list[i]);
    if (end != i) text += "-" + std::to_string(list[end]);
    i = end + 1;
  }
  return std::to_string(list.size()) + ": " + text;
}

void PrintKind(const Json& kind) {
  const std::string name = kind["name"].get<std::string>();
  std::printf("\n%s\n", name.empty() ? "every layer" : name.c_str());
  std::printf("  layers            %s\n", Ranges(kind["layers"]).c_str());
  if (!kind["rotary"].get<bool>()) {
    std::printf("  no RoPE\n");
  } else {
    const int head_dim = kind["head_dim"], rotary_dim = kind["rotary_dim"], offset = kind["rotary_offset"];
    std::printf("  pairing           %s\n", kind["pairing"].get<std::string>().c_str());
    std::printf("  window            %d of %d elements", rotary_dim, head_dim);
    std::printf(offset != 0 ? ", from %d\n" : "\n", offset);
    std::printf("  theta             %.10g\n", kind["theta"].get<double>());
    std::printf("  scaling           %s\n", kind["scaling"].get<std::string>().c_str());
    if (kind["pairs_in_sections"].get<bool>()) std::printf("  pairs             inside the block of each axis\n");
    if (kind["angle_order"] != "of_pairs") {
      std::printf("  angle order       %s: two angles in a pair\n", kind["angle_order"].get<std::string>().c_str());
    }
    if (kind["reversed"].get<bool>()) std::printf("  direction         reversed\n");
    std::printf("  attention factor  %.10g\n", kind["attention_factor"].get<double>());
    if (kind["axes"].get<int>() > 1) std::printf("  position axes     %d\n", kind["axes"].get<int>());
    const Json& inv_freq = kind["inv_freq"];
    std::printf("  wavelengths       %.6g to %.6g positions\n", Wavelength(inv_freq.front().get<double>()),
                Wavelength(inv_freq.back().get<double>()));
  }
  if (kind["temperature_beta"].get<double>() != 0) {
    std::printf("  temperature       queries times 1 + %.6g ln(1 + floor((p + %g) / %.10g))\n",
                kind["temperature_beta"].get<double>(), kind["temperature_offset"].get<double>(),
                kind["temperature_length"].get<double>());
  }
  if (kind["query_log_length"].get<double>() != 0) {
    std::printf("  temperature       queries times max(1, ln(1 + p) / ln(%.10g))\n",
                kind["query_log_length"].get<double>());
  }
}

// The kind of `second` that answers to a kind of `first`.
const io::LayerRope* Counterpart(const io::LayerRope& kind, const io::Model& second) {
  for (const io::LayerRope& other : second.ropes) {
    if (other.layer_type == kind.layer_type) return &other;
  }
  return second.ropes.size() == 1 ? &second.ropes.front() : nullptr;
}

Json CompareKinds(const io::LayerRope& a, const io::LayerRope& b, int64_t position) {
  Json first = DescribeKind(a), second = DescribeKind(b);
  Json fields = Json::array(), pairs = Json::array();
  double worst = 0;
  if (a.rotary && b.rotary) {
    const std::vector<double> x = first["inv_freq"], y = second["inv_freq"];
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (x[i] == y[i]) continue;
      const double radians = std::fabs(x[i] - y[i]) * static_cast<double>(position);
      worst = std::max(worst, radians);
      pairs.push_back({{"pair", i}, {"first", x[i]}, {"second", y[i]}, {"radians", radians}});
    }
  }
  for (const char* name : {"name", "inv_freq"}) {
    first.erase(name);
    second.erase(name);
  }
  for (const auto& [name, value] : first.items()) {
    const Json other = second.contains(name) ? second[name] : Json(nullptr);
    if (value != other) fields.push_back({{"field", name}, {"first", value}, {"second", other}});
  }
  return {{"kind", a.layer_type},
          {"same", fields.empty() && pairs.empty()},
          {"fields", fields},
          {"worst_radians", worst},
          {"pairs", pairs}};
}

constexpr const char* kColors[] = {"#1f6fb4", "#c8552b", "#3a8f4d", "#7b57a8", "#8a6d3b", "#4b4b4b"};

}  // namespace

Json Describe(const io::Model& model) {
  Json json = {{"model_type", model.model_type}, {"source", model.source},   {"max_position", model.max_position},
               {"q_heads", model.q_heads},       {"k_heads", model.k_heads}, {"kinds", Json::array()}};
  for (const io::LayerRope& kind : model.ropes) json["kinds"].push_back(DescribeKind(kind));
  json["others"] = Json::array();
  for (const io::LayerRope& kind : model.others) json["others"].push_back(DescribeKind(kind));
  json["sources"] = Json::object();
  for (const io::Origin& origin : model.origins) json["sources"][origin.fact] = origin.why;
  json["warnings"] = model.warnings;
  return json;
}

Json Describe(const io::FamilyInfo& family) {
  return {{"names", family.names},     {"file", family.file},     {"rope", family.rope},
          {"pairing", family.pairing}, {"window", family.window}, {"theta", family.theta},
          {"layers", family.layers},   {"note", family.note},     {"source", family.source}};
}

Json Describe(const WeightCheck& check) {
  Json mismatches = Json::array();
  for (const WeightCheck::Mismatch& one : check.mismatches) {
    mismatches.push_back({{"tensor", one.tensor.name},
                          {"file", one.tensor.file},
                          {"shape", one.tensor.shape},
                          {"message", one.message}});
  }
  return {{"files", check.files}, {"checked", check.checked}, {"left", check.left}, {"mismatches", mismatches}};
}

void PrintModel(const Json& model) {
  std::printf("model type          %s (%s)\n", model["model_type"].get<std::string>().c_str(),
              model["source"].get<std::string>().c_str());
  if (model["max_position"].get<int64_t>() > 0) {
    std::printf("max position        %lld\n", static_cast<long long>(model["max_position"].get<int64_t>()));
  }
  std::printf("heads               %d of Q, %d of K\n", model["q_heads"].get<int>(), model["k_heads"].get<int>());
  if (const Json& weights = model["weights"]; !weights.is_null()) {
    std::printf("weights             %d tensors of Q and K checked, %zu do not fit, %zu left\n",
                weights["checked"].get<int>(), weights["mismatches"].size(), weights["left"].size());
  }
  bool rotary = false;
  for (const Json& kind : model["kinds"]) rotary = rotary || kind["rotary"].get<bool>();
  if (!rotary) {
    std::printf("no RoPE             %s\n", model["sources"].value("rope", "").c_str());
    return;
  }
  for (const Json& kind : model["kinds"]) PrintKind(kind);
  for (const Json& kind : model["others"]) PrintKind(kind);
  std::printf("\nwhy\n");
  for (const auto& [fact, why] : model["sources"].items()) {
    std::printf("  %-28s %s\n", fact.c_str(), why.get<std::string>().c_str());
  }
}

std::string Plot(const io::Model& model, const std::string& title) {
  Chart chart{title, "pair", "wavelength (positions)", {}, {}};
  size_t next = 0;
  for (const std::vector<io::LayerRope>* kinds : {&model.ropes, &model.others}) {
    for (const io::LayerRope& kind : *kinds) {
      if (!kind.rotary) continue;
      const Rope rope = Compile(kind.config, kind.layer_type);
      const simdrope_rope_info info = rope.info();
      std::vector<double> wavelengths;
      for (int i = 0; i < info.pairs; ++i) wavelengths.push_back(Wavelength(info.inv_freq[i]));
      chart.series.push_back({kind.layer_type.empty() ? "every layer" : kind.layer_type,
                              kColors[next++ % std::size(kColors)], wavelengths});
    }
  }
  if (chart.series.empty()) Fail("--plot: no layer of this model uses RoPE");
  if (model.max_position > 0) {
    chart.marks.push_back({Text("context length ", model.max_position), static_cast<double>(model.max_position)});
  }
  return ToSvg(chart);
}

Json Difference(const io::Model& first, const io::Model& second) {
  const int64_t longest = std::max(first.max_position, second.max_position);
  const int64_t position = longest > 0 ? longest : kPositionIfUntold;
  Json kinds = Json::array();
  bool same = true;
  double worst = 0;
  for (const io::LayerRope& kind : first.ropes) {
    const io::LayerRope* other = Counterpart(kind, second);
    if (other == nullptr) {
      kinds.push_back({{"kind", kind.layer_type}, {"only_in", "first"}});
      same = false;
      continue;
    }
    Json difference = CompareKinds(kind, *other, position);
    same = same && difference["same"].get<bool>();
    worst = std::max(worst, difference["worst_radians"].get<double>());
    kinds.push_back(std::move(difference));
  }
  for (const io::LayerRope& kind : second.ropes) {
    if (Counterpart(kind, first) != nullptr) continue;
    kinds.push_back({{"kind", kind.layer_type}, {"only_in", "second"}});
    same = false;
  }
  return {{"same", same}, {"position", position}, {"worst_radians", worst}, {"kinds", kinds}};
}

void PrintDifference(const Json& difference, const std::string& first, const std::string& second) {
  if (difference["same"].get<bool>()) {
    std::printf("%s and %s rotate alike\n", first.c_str(), second.c_str());
    return;
  }
  for (const Json& kind : difference["kinds"]) {
    const std::string name = kind["kind"].get<std::string>();
    std::printf("%s\n", name.empty() ? "every layer" : name.c_str());
    if (kind.contains("only_in")) {
      std::printf("  only in %s\n", (kind["only_in"] == "first" ? first : second).c_str());
      continue;
    }
    if (kind["same"].get<bool>()) std::printf("  alike\n");
    for (const Json& field : kind["fields"]) {
      std::printf("  %-18s %s | %s\n", field["field"].get<std::string>().c_str(), field["first"].dump().c_str(),
                  field["second"].dump().c_str());
    }
    if (!kind["pairs"].empty()) {
      std::printf("  %zu pairs turn at another rate; worst %.6g radians apart at position %lld\n", kind["pairs"].size(),
                  kind["worst_radians"].get<double>(), static_cast<long long>(difference["position"].get<int64_t>()));
    }
  }
}

}  // namespace simdrope::tool
