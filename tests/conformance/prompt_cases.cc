// Positions of multimodal prompts.
#include <simdrope/prompts.hpp>

#include "case.h"

namespace conformance {
namespace {

namespace io = simdrope::io;

io::PromptModel ModelNamed(const std::string& name) {
  if (name == "qwen2_vl") return io::PromptModel::qwen2_vl;
  return name == "qwen2_5_vl" ? io::PromptModel::qwen2_5_vl : io::PromptModel::qwen3_vl;
}

std::vector<io::Segment> SegmentsOf(const Json& spec) {
  std::vector<io::Segment> segments;
  const int64_t merge = spec.value("spatial_merge_size", 1);
  size_t video = 0;
  for (const Json& segment : spec.at("segments")) {
    if (segment.at("type") == "text") {
      segments.push_back(io::text(segment.at("tokens")));
      continue;
    }
    const std::vector<int64_t> grid = segment.at("grid_thw");
    const int64_t height = grid[1] / merge, width = grid[2] / merge;
    segments.push_back(segment["type"] == "video"
                           ? io::video(grid[0], height, width, spec.at("second_per_grid_ts").at(video++))
                           : io::image(height, width));
  }
  return segments;
}

}  // namespace

Outcome RunPrompt(const Case& c) {
  const Json& spec = c.json().at("spec");
  std::vector<std::vector<io::Segment>> prompts;
  if (spec.contains("packed_sequences")) {
    for (const Json& tokens : spec["packed_sequences"]) {
      prompts.push_back({io::text(static_cast<int64_t>(tokens.size()))});
    }
  } else {
    prompts.push_back(SegmentsOf(spec));
  }
  io::PromptOptions options;
  options.tokens_per_second = spec.value("tokens_per_second", options.tokens_per_second);
  const auto got = io::mrope_positions(ModelNamed(spec.at("model")), prompts, options);
  if (!got) return Outcome::Fail(got.status().message());
  return got->ids == c.array("expected").integers() ? Outcome() : Outcome::Fail("other positions");
}

}  // namespace conformance
