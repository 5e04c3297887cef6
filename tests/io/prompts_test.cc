#include <doctest/doctest.h>

#include <simdrope/prompts.hpp>

namespace io = simdrope::io;
using Ids = std::vector<int64_t>;

TEST_CASE("prompts: text has one position on all axes, and each prompt begins at 0") {
  const auto p = io::mrope_positions(io::PromptModel::qwen3_vl, {{io::text(2)}, {io::text(3)}});
  REQUIRE(p.ok());
  CHECK(p->ids == Ids{0, 1, 0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 0, 1, 2});
  CHECK(p->next == Ids{2, 3});
}

TEST_CASE("prompts: an image advances by its longer side") {
  const auto p = io::mrope_positions(io::PromptModel::qwen2_vl, {{io::text(1), io::image(1, 3), io::text(1)}});
  REQUIRE(p.ok());
  CHECK(p->ids == Ids{0, 1, 1, 1, 4, 0, 1, 1, 1, 4, 0, 1, 2, 3, 4});
}

TEST_CASE("prompts: what follows a video may begin before its last frame") {
  const auto p = io::mrope_positions(io::PromptModel::qwen2_vl, {{io::video(3, 1, 1), io::text(1)}});
  REQUIRE(p.ok());
  CHECK(p->ids == Ids{0, 1, 2, 1, 0, 0, 0, 1, 0, 0, 0, 1});
  CHECK(p->next == Ids{3});
}

TEST_CASE("prompts: the frames of a Qwen2.5-VL video are as far apart as in time") {
  io::PromptOptions options;
  options.tokens_per_second = 2;
  const std::vector<std::vector<io::Segment>> prompts = {{io::video(3, 1, 1, 0.75)}};
  const auto exact = io::mrope_positions(io::PromptModel::qwen2_5_vl, prompts, options);
  REQUIRE(exact.ok());
  CHECK(Ids(exact->ids.begin(), exact->ids.begin() + 3) == Ids{0, 1, 3});
  options.whole_seconds = true;
  CHECK(io::mrope_positions(io::PromptModel::qwen2_5_vl, prompts, options)->ids[2] == 0);
}

TEST_CASE("prompts: impossible segments are named") {
  const auto refused = [](io::PromptModel model, const io::Segment& segment) {
    const auto p = io::mrope_positions(model, {{io::text(1), segment}});
    CHECK(p.status().code() == SIMDROPE_INVALID_ARGUMENT);
    CHECK(p.status().message().find("prompts[0][1]") != std::string::npos);
  };
  using enum io::PromptModel;
  refused(qwen2_vl, io::text(-1));
  refused(qwen2_vl, io::text(INT64_MAX));
  refused(qwen2_vl, io::image(0, 4));
  refused(qwen2_vl, io::image(INT64_MAX, 4));
  refused(qwen2_vl, io::video(INT64_MAX, INT64_MAX, INT64_MAX));
  refused(qwen2_5_vl, io::video(2, 2, 2, -1));
  refused(qwen2_5_vl, io::video(2, 2, 2, 1e300));
  refused(qwen3_vl, io::video(2, 2, 2));
}
