#include "catalogue.h"

#include <doctest/doctest.h>

#include <simdrope/io.hpp>

namespace io = simdrope::io;

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
    }
  }
}
