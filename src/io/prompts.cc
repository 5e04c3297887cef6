#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <simdrope/prompts.hpp>

#include "io/failure.h"

namespace simdrope::io {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 32;  // of all prompts together
constexpr double kMaxPosition = 0x1p53;

constexpr int64_t kBeginsAndEnds = 4;  // of a video with sound

// None where the segment says something impossible.
std::optional<int64_t> token_count(PromptModel model, const Segment& segment) {
  const bool sound = segment.kind == Segment::Kind::video && model == PromptModel::qwen2_5_omni;
  if (segment.sound_tokens < 0 || segment.sound_tokens > kMaxTokens || (segment.sound_tokens > 0 && !sound)) {
    return std::nullopt;
  }
  if (segment.kind == Segment::Kind::text) {
    return segment.tokens >= 0 && segment.tokens <= kMaxTokens ? std::optional(segment.tokens) : std::nullopt;
  }
  int64_t count = 0;
  if (segment.frames < 1 || segment.height < 1 || segment.width < 1) return std::nullopt;
  if (segment.kind == Segment::Kind::image && segment.frames != 1) return std::nullopt;
  if (segment.width == INT64_MAX) return std::nullopt;
  const int64_t width = segment.width + (model == PromptModel::hunyuan_vl ? 1 : 0);
  if (__builtin_mul_overflow(segment.height, width, &count)) return std::nullopt;
  if (__builtin_mul_overflow(count, segment.frames, &count)) return std::nullopt;
  if (count > kMaxTokens) return std::nullopt;
  return segment.sound_tokens == 0 ? count : count + segment.sound_tokens + kBeginsAndEnds;
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
    images_ = 0;
    past_start_ = 0;
    largest_ = -1;
    for (const Segment& segment : segments) {
      if (segment.kind == Segment::Kind::text) {
        text(segment.tokens);
      } else if (model_ == PromptModel::hunyuan_vl) {
        rows(segment);
      } else if (model_ == PromptModel::ling) {
        centred(segment);
      } else if (segment.sound_tokens > 0) {
        video_and_sound(segment);
      } else {
        grid(segment);
      }
    }
    const bool goes_on =
        model_ == PromptModel::qwen2_5_omni || model_ == PromptModel::hunyuan_vl || model_ == PromptModel::ling;
    out_.next.push_back(goes_on ? start_ : largest_ + 1);
  }

 private:
  void text(int64_t tokens) {
    for (int64_t i = 0; i < tokens; ++i) all(start_ + i);
    start_ += tokens;
  }

  void grid(const Segment& segment) {
    for (int64_t frame = 0; frame < segment.frames; ++frame) {
      const int64_t time = start_ + frame_position(segment, frame);
      for (int64_t row = 0; row < segment.height; ++row) {
        for (int64_t column = 0; column < segment.width; ++column) put({time, start_ + row, start_ + column});
      }
    }
    start_ = model_ == PromptModel::qwen2_5_omni ? largest_ + 1 : start_ + std::max(segment.height, segment.width);
  }

  // Hunyuan-VL: the first axis goes on, the others say where in which image.
  void rows(const Segment& segment) {
    for (int64_t row = 0; row < segment.height; ++row) {
      for (int64_t column = 0; column <= segment.width; ++column) put({start_++, column, row, images_});
    }
    ++images_;
  }

  // Ling: around the middle of the frame. Times are not rounded until they are written.
  void centred(const Segment& segment) {
    double time = 0;
    for (int64_t frame = 0; frame < segment.frames; ++frame) {
      time = static_cast<double>(start_) + past_start_ +
             static_cast<double>(frame) * segment.seconds_per_frame * options_.tokens_per_second;
      for (int64_t row = 0; row < segment.height; ++row) {
        for (int64_t column = 0; column < segment.width; ++column) {
          put({static_cast<int64_t>(time), around(time, row, segment.height), around(time, column, segment.width), 0});
        }
      }
    }
    start_ = static_cast<int64_t>(time) + 1;
    past_start_ = time - std::floor(time);
  }
  static int64_t around(double time, int64_t at, int64_t count) {
    const int64_t middle = (count - 1) / 2;
    return static_cast<int64_t>(time + static_cast<double>(at - middle));
  }

  // Frames and sound that begin in the same chunk of time follow each other, frames first.
  void video_and_sound(const Segment& segment) {
    all(start_);
    all(start_);
    ++start_;
    const auto chunk =
        std::max<int64_t>(1, static_cast<int64_t>(options_.tokens_per_second * options_.seconds_per_chunk));
    int64_t frame = 0;
    int64_t sound = 0;
    int64_t last = start_;  // the largest position of the last run
    for (int64_t end = chunk; frame < segment.frames || sound < segment.sound_tokens; end += chunk) {
      // Nothing lies in between: the next chunk is the one of the next frame or sound.
      const int64_t next_frame = frame < segment.frames ? frame_position(segment, frame) : INT64_MAX;
      const int64_t next_sound = sound < segment.sound_tokens ? sound : INT64_MAX;
      end = std::max(end, std::min(next_frame, next_sound) / chunk * chunk + chunk);
      if (next_frame < end) last = 0;
      for (; frame < segment.frames && frame_position(segment, frame) < end; ++frame) {
        const int64_t time = start_ + frame_position(segment, frame);
        for (int64_t row = 0; row < segment.height; ++row) {
          for (int64_t column = 0; column < segment.width; ++column) put({time, start_ + row, start_ + column});
        }
        last = std::max({last, time, start_ + segment.height - 1, start_ + segment.width - 1});
      }
      if (next_sound < end) last = 0;
      for (; sound < segment.sound_tokens && sound < end; ++sound) {
        all(start_ + sound);
        last = std::max(last, start_ + sound);
      }
    }
    start_ = last + 1;
    all(start_);
    all(start_);
    ++start_;
  }

  int64_t frame_position(const Segment& segment, int64_t frame) const {
    const bool timed = model_ == PromptModel::qwen2_5_vl || model_ == PromptModel::qwen2_5_omni;
    if (!timed || segment.kind == Segment::Kind::image) return frame;
    const double seconds = options_.whole_seconds ? std::trunc(segment.seconds_per_frame) : segment.seconds_per_frame;
    return static_cast<int64_t>(std::floor(static_cast<double>(frame) * seconds * options_.tokens_per_second));
  }

  void all(int64_t position) { put({position, position, position, position}); }

  void put(std::array<int64_t, 4> axes) {
    for (int axis = 0; axis < out_.axes; ++axis) {
      out_.ids[static_cast<size_t>(axis * out_.tokens + at_)] = axes[static_cast<size_t>(axis)];
      largest_ = std::max(largest_, axes[static_cast<size_t>(axis)]);
    }
    ++at_;
  }

  PromptModel model_;
  const PromptOptions& options_;
  PromptPositions& out_;
  int64_t at_ = 0;
  int64_t start_ = 0;
  double past_start_ = 0;  // ling: by how much less than 1 the next position lies beyond start_
  int64_t images_ = 0;
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
        const std::optional<int64_t> tokens = token_count(model, segment);
        if (!tokens) return invalid("every extent must be positive, an image has one frame");
        if (model == PromptModel::qwen3_vl && segment.kind == Segment::Kind::video && segment.frames != 1) {
          return invalid("qwen3_vl takes each frame as an image, with text before it");
        }
        if (model == PromptModel::hunyuan_vl && segment.kind == Segment::Kind::video) {
          return invalid("hunyuan_vl has images only");
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
    out.axes = model == PromptModel::hunyuan_vl ? 4 : 3;
    out.ids.resize(static_cast<size_t>(out.axes) * static_cast<size_t>(out.tokens));
    Builder builder(model, options, out);
    for (const std::vector<Segment>& prompt : prompts) builder.prompt(prompt);
    return out;
  });
}

Result<DualChunkPositions> dual_chunk_positions(int64_t start, int64_t count, int64_t chunk_size, int64_t local_size) {
  return guarded([&]() -> Result<DualChunkPositions> {
    const bool fits = start >= 0 && count >= 0 && count <= kMaxTokens && start <= INT64_MAX - count;
    if (!fits || local_size < 0 || chunk_size <= local_size || chunk_size > INT64_MAX / 2) {
      return failure(SIMDROPE_INVALID_ARGUMENT, "dual_chunk_positions: start = ", start, ", count = ", count,
                     ", chunk_size = ", chunk_size, ", local_size = ", local_size,
                     "; start and count must not be negative, and chunk_size must be beyond local_size");
    }
    const int64_t chunk = chunk_size - local_size;
    DualChunkPositions out;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t place = (start + i) % chunk;
      out.keys.push_back(place);
      out.same.push_back(place);
      out.before.push_back(std::min(place + chunk, chunk_size));
      out.far.push_back(std::min(2 * chunk - 1, chunk_size));
    }
    return out;
  });
}

}  // namespace simdrope::io
