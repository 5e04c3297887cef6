#include "catalogue.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <simdrope/io.hpp>

namespace io = simdrope::io;

namespace {

// Within the trained length each frequency is divided by its entry of the published short list, beyond it of the long.
void check_longrope(const io::LayerRope& rope, const std::string& json) {
  const nlohmann::json published = nlohmann::json::parse(json)["rope_scaling"];
  simdrope::Config config = rope.config;
  for (const char* list : {"short_factor", "long_factor"}) {
    CAPTURE(list);
    config.scaling.seq_len = list[0] == 's' ? 0 : config.scaling.original_max_position + 1;
    const auto compiled = simdrope::Rope::create(config);
    REQUIRE(compiled.ok());
    const simdrope_rope_info info = compiled->info();
    REQUIRE(published[list].size() == static_cast<size_t>(info.pairs));
    double first = 0;
    for (int i = 0; i < info.pairs; ++i) {
      const double factor = published[list][static_cast<size_t>(i)].get<double>();
      first = i == 0 ? factor : first;
      CHECK(info.inv_freq[i] == doctest::Approx(std::pow(config.theta, -2.0 * i / info.rotary_dim) / factor));
    }
    if (list[0] == 'l') CHECK(published[list].back().get<double>() != first);  // no made-up list of one number
  }
}

}  // namespace

TEST_CASE("catalogue: every published config means what is known of its model") {
  for (const CatalogueEntry& entry : kCatalogue) {
    CAPTURE(entry.model);
    const auto model = io::parse_hf_config(entry.config);
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    CHECK(model->warnings.empty());
    size_t rotary = 0;
    int nope_layers = 0;
    for (const io::LayerRope& rope : model->ropes) {
      rotary += rope.rotary ? 1 : 0;
      nope_layers += rope.rotary ? 0 : static_cast<int>(rope.layers.size());
    }
    CHECK(rotary == entry.ropes.size());
    CHECK(nope_layers == entry.nope_layers);
    for (const ExpectedRope& expected : entry.ropes) {
      CAPTURE(expected.layer_type);
      const io::LayerRope* rope = model->find(expected.layer_type);
      REQUIRE(rope != nullptr);
      CHECK(rope->config.pairing == expected.pairing);
      CHECK(rope->config.head_dim == expected.head_dim);
      CHECK(rope->config.rotary_dim == expected.rotary_dim);
      CHECK(rope->config.rotary_offset == expected.rotary_offset);
      CHECK(rope->config.theta == expected.theta);
      CHECK(rope->config.scaling.type == expected.scaling);
      CHECK(rope->config.scaling.factor == expected.factor);
      CHECK(static_cast<int>(rope->layers.size()) == expected.layers);
      if (expected.scaling == SIMDROPE_SCALING_LONGROPE) check_longrope(*rope, entry.config);
    }
  }
}
