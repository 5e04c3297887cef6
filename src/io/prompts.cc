#include <algorithm>
#include <cmath>
#include <optional>
#include <simdrope/prompts.hpp>

#include "io/failure.h"

namespace simdrope::io {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 32;  // of all prompts together
constexpr double kMaxPosition = 0x1p53;

// None where the segment says something impossible.
std::optional<int64_t> token_count(const Segment& segment) {
  if (segment.kind == Segment::Kind::text) {
    return segment.tokens >= 0 && segment.tokens <= kMaxTokens ? std::optional(segment.tokens) : std::nullopt;
  }
  int64_t count = 0;
  if (segment.frames < 1 || segment.height < 1 || segment.width < 1) return std::nullopt;
  if (segment.kind == Segment::Kind::image && segment.frames != 1) return std::nullopt;
  if (__builtin_mul_overflow(segment.height, segment.width, &count)) return std::nullopt;
  if (__builtin_mul_overflow(count, segment.frames, &count)) return std::nullopt;
  return count <= kMaxTokens ? std::optional(count) : std::nullopt;
}

std::string segment_text(const Segment& segment) {
  if (segment.kind == Segment::Kind::text) return "text of " + std::to_string(segment.tokens) + " tokens";
  return std::string(segment.kind == Segment::Kind::image ? "image" : "video") + " of " +
         std::to_string(segment.frames) + " x " + std::to_string(segment.height) + " x " +
         std::to_string(segment.width);
}

class Builder {
 public:
  Builder(PromptModel model, const PromptOptions& options, PromptPositions& out)
      : model_(model), options_(options), out_(out) {}

  void prompt(const std::vector<Segment>& segments) {
    start_ = 0;
    largest_ = -1;
    for (const Segment& segment : segments) {
      segment.kind == Segment::Kind::text ? text(segment.tokens) : grid(segment);
    }
    out_.next.push_back(largest_ + 1);
  }

 private:
  void text(int64_t tokens) {
    for (int64_t i = 0; i < tokens; ++i) put(start_ + i, start_ + i, start_ + i);
    start_ += tokens;
  }

  void grid(const Segment& segment) {
    for (int64_t frame = 0; frame < segment.frames; ++frame) {
      const int64_t time = start_ + frame_position(segment, frame);
      for (int64_t row = 0; row < segment.height; ++row) {
        for (int64_t column = 0; column < segment.width; ++column) put(time, start_ + row, start_ + column);
      }
    }
    start_ += std::max(segment.height, segment.width);
  }

  int64_t frame_position(const Segment& segment, int64_t frame) const {
    if (model_ != PromptModel::qwen2_5_vl || segment.kind == Segment::Kind::image) return frame;
    const double seconds = options_.whole_seconds ? std::trunc(segment.seconds_per_frame) : segment.seconds_per_frame;
    return static_cast<int64_t>(std::floor(static_cast<double>(frame) * seconds * options_.tokens_per_second));
  }

  void put(int64_t time, int64_t row, int64_t column) {
    out_.ids[static_cast<size_t>(at_)] = time;
    out_.ids[static_cast<size_t>(out_.tokens + at_)] = row;
    out_.ids[static_cast<size_t>(2 * out_.tokens + at_)] = column;
    ++at_;
    largest_ = std::max({largest_, time, row, column});
  }

  PromptModel model_;
  const PromptOptions& options_;
  PromptPositions& out_;
  int64_t at_ = 0;
  int64_t start_ = 0;
  int64_t largest_ = -1;
};

}  // namespace

Result<PromptPositions> mrope_positions(PromptModel model, const std::vector<std::vector<Segment>>& prompts,
                                        const PromptOptions& options) {
  return guarded([&]() -> Result<PromptPositions> {
    PromptPositions out;
    for (size_t p = 0; p < prompts.size(); ++p) {
      for (size_t s = 0; s < prompts[p].size(); ++s) {
        const Segment& segment = prompts[p][s];
        const auto invalid = [&](const std::string& why) {
          return failure(SIMDROPE_INVALID_ARGUMENT, "prompts[", p, "][", s, "], ", segment_text(segment), ": ", why);
        };
        const std::optional<int64_t> tokens = token_count(segment);
        if (!tokens) return invalid("every extent must be positive, an image has one frame");
        if (model == PromptModel::qwen3_vl && segment.kind == Segment::Kind::video && segment.frames != 1) {
          return invalid("qwen3_vl takes each frame as an image, with text before it");
        }
        const double step = segment.seconds_per_frame * options.tokens_per_second;
        if (!(step >= 0 && step * static_cast<double>(segment.frames) < kMaxPosition)) {
          return invalid("seconds_per_frame = " + std::to_string(segment.seconds_per_frame) +
                         " and tokens_per_second = " + std::to_string(options.tokens_per_second));
        }
        out.tokens += *tokens;
        if (out.tokens > kMaxTokens) return invalid("more than 2^32 tokens in all");
      }
    }
    out.ids.resize(3 * static_cast<size_t>(out.tokens));
    Builder builder(model, options, out);
    for (const std::vector<Segment>& prompt : prompts) builder.prompt(prompt);
    return out;
  });
}

}  // namespace simdrope::io
