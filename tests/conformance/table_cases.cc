// Tables of cos and sin.
#include "case.h"

namespace conformance {
namespace {

// A list, or "first..last".
std::vector<int64_t> PositionsOf(const Json& positions) {
  if (positions.is_array()) return positions.get<std::vector<int64_t>>();
  const std::string text = positions;
  const size_t dots = text.find("..");
  std::vector<int64_t> all;
  for (int64_t p = std::stoll(text.substr(0, dots)); p <= std::stoll(text.substr(dots + 2)); ++p) all.push_back(p);
  return all;
}

}  // namespace

Outcome RunTable(const Case& c) {
  const Json& about = c.json().at("config");
  const Array cos = c.array("cos"), sin = c.array("sin");
  const std::vector<int64_t> positions = PositionsOf(about.at("positions"));
  const int64_t count = static_cast<int64_t>(positions.size());
  Outcome outcome;
  outcome.runs = 0;
  for (const auto precision : {SIMDROPE_PRECISION_EXACT, SIMDROPE_PRECISION_FLOAT32}) {
    simdrope::Config config(about.at("rotary_dim"), about.at("rope_theta"));
    config.precision = precision;
    const auto rope = simdrope::Rope::create(config);
    if (!rope) return Outcome::Fail(rope.status().message());
    const auto rows = rope->cos_sin(simdrope::Positions::per_token(positions.data(), count), 1, count);
    if (!rows) return Outcome::Fail(rows.status().message());
    for (const auto& [table, expected] : {std::pair(rows->view().table.cos, &cos), {rows->view().table.sin, &sin}}) {
      const float* values = static_cast<const float*>(table);
      const std::string mismatch = Compare(std::vector<double>(values, values + expected->size()), expected->values,
                                           ToleranceOf(c, simdrope::f32));
      if (!mismatch.empty()) return Outcome::Fail(mismatch);
    }
    ++outcome.runs;
  }
  return outcome;
}

}  // namespace conformance
