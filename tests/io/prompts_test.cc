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

TEST_CASE("prompts: what follows a Qwen2.5-Omni video begins beyond its largest position") {
  io::PromptOptions options;
  options.tokens_per_second = 25;
  const auto p = io::mrope_positions(io::PromptModel::qwen2_5_omni, {{io::video(2, 1, 1, 1), io::text(1)}}, options);
  REQUIRE(p.ok());
  CHECK(p->ids == Ids{0, 25, 26, 0, 0, 26, 0, 0, 26});
  CHECK(p->next == Ids{27});
}

TEST_CASE("prompts: a Qwen2.5-Omni video and its sound take turns, chunk by chunk") {
  io::PromptOptions options;
  options.tokens_per_second = 2;
  options.seconds_per_chunk = 1;  // two positions
  // Frames at 0, 1, 2 beyond the beginning; sound at 0, 1, 2, 3.
  const auto p = io::mrope_positions(io::PromptModel::qwen2_5_omni,
                                     {{io::text(1), io::video_with_sound(3, 1, 1, 0.5, 4), io::text(1)}}, options);
  REQUIRE(p.ok());
  REQUIRE(p->tokens == 1 + 2 + 3 + 4 + 2 + 1);
  // text; both beginnings; frames 0, 1; sound 0, 1; frame 2; sound 2, 3; both ends; text
  CHECK(Ids(p->ids.begin(), p->ids.begin() + p->tokens) == Ids{0, 1, 1, 2, 3, 2, 3, 4, 4, 5, 6, 6, 7});
  CHECK(Ids(p->ids.begin() + p->tokens, p->ids.begin() + 2 * p->tokens) == Ids{0, 1, 1, 2, 2, 2, 3, 2, 4, 5, 6, 6, 7});
  CHECK(p->next == Ids{8});
}

TEST_CASE("prompts: Hunyuan-VL counts tokens on the first of four axes") {
  const auto p = io::mrope_positions(io::PromptModel::hunyuan_vl, {{io::text(1), io::image(2, 1), io::text(1)}});
  REQUIRE(p.ok());
  CHECK(p->axes == 4);
  REQUIRE(p->tokens == 6);  // two rows of one token and the end of a row
  CHECK(p->ids == Ids{0, 1, 2, 3, 4, 5, 0, 0, 1, 0, 1, 5, 0, 0, 0, 1, 1, 5, 0, 0, 0, 0, 0, 5});
  CHECK(p->next == Ids{6});
}

// inclusionAI/Ming, modeling_bailing_moe_v2.py (get_t_scale_rope_index, called with scale_factor 2): lists of real
// positions, cut to whole ones at the end; each part goes on at the last one's largest time plus 1.
TEST_CASE("prompts: Ling counts rows and columns from the middle of a frame, whose time they share") {
  const std::vector<io::Segment> prompt = {io::text(3),        io::image(4, 7), io::text(2), io::video(3, 2, 5, 0.4),
                                           io::video(2, 3, 1), io::text(4)};
  std::vector<double> time, row, column;
  for (const io::Segment& segment : prompt) {
    const double begin = time.empty() ? 0 : time.back() + 1;
    if (segment.kind == io::Segment::Kind::text) {
      for (int64_t i = 0; i < segment.tokens; ++i) {
        for (std::vector<double>* axis : {&time, &row, &column}) axis->push_back(begin + static_cast<double>(i));
      }
      continue;
    }
    for (int64_t i = 0; i < segment.frames * segment.height * segment.width; ++i) {
      const int64_t t = i / (segment.height * segment.width), h = i / segment.width % segment.height,
                    w = i % segment.width;
      time.push_back(begin + static_cast<double>(t) * segment.seconds_per_frame * 2);
      row.push_back(time.back() + static_cast<double>(h - (segment.height - 1) / 2));
      column.push_back(time.back() + static_cast<double>(w - (segment.width - 1) / 2));
    }
  }
  const auto p = io::mrope_positions(io::PromptModel::ling, {prompt, {io::image(5, 1), io::text(1)}});
  REQUIRE(p.ok());
  CHECK(p->axes == 3);
  REQUIRE(p->tokens == static_cast<int64_t>(time.size()) + 6);
  const size_t tokens = time.size(), stride = static_cast<size_t>(p->tokens);
  for (size_t i = 0; i < tokens; ++i) {
    CAPTURE(i);
    CHECK(p->ids[i] == static_cast<int64_t>(time[i]));
    CHECK(p->ids[stride + i] == static_cast<int64_t>(row[i]));
    CHECK(p->ids[2 * stride + i] == static_cast<int64_t>(column[i]));
  }
  // An image that a prompt begins with: rows from -2 on.
  CHECK(Ids(p->ids.begin() + static_cast<int64_t>(stride + tokens),
            p->ids.begin() + static_cast<int64_t>(2 * stride)) == Ids{-2, -1, 0, 1, 2, 1});
  CHECK(p->next == Ids{static_cast<int64_t>(time.back()) + 1, 2});
}

TEST_CASE("prompts: dual chunk attention never sees a distance beyond its chunk") {
  const int64_t chunk_size = 10, local_size = 3, chunk = 7;
  const auto p = io::dual_chunk_positions(0, 40, chunk_size, local_size);
  REQUIRE(p.ok());
  for (size_t q = 0; q < 40; ++q) {
    for (size_t k = 0; k <= q; ++k) {
      const auto apart = static_cast<int64_t>(q / chunk) - static_cast<int64_t>(k / chunk);
      const Ids& queries = apart == 0 ? p->same : apart == 1 ? p->before : p->far;
      const int64_t distance = queries[q] - p->keys[k];
      const auto real = static_cast<int64_t>(q - k);
      CHECK(distance >= 0);
      CHECK(distance <= chunk_size);
      // Real distances in the same chunk, and within the local window across two.
      if (apart == 0 || (apart == 1 && real <= local_size)) CHECK(distance == real);
    }
  }
  const auto later = io::dual_chunk_positions(30, 10, chunk_size, local_size);
  CHECK(later->before == Ids(p->before.begin() + 30, p->before.end()));
  CHECK_FALSE(io::dual_chunk_positions(-1, 1, 10, 3).ok());
  CHECK_FALSE(io::dual_chunk_positions(0, 1, 3, 3).ok());
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
  refused(qwen2_5_vl, io::video_with_sound(2, 2, 2, 1, 4));
  refused(qwen2_5_omni, io::video_with_sound(2, 2, 2, 1, -4));
  refused(hunyuan_vl, io::video(2, 2, 2));
  refused(hunyuan_vl, io::image(1, INT64_MAX));
}
