// Position ids of multimodal prompts (M-RoPE): which temporal, height and width position each token of
// text, images and videos has. Part of simdrope_io.
//
//   auto p = io::mrope_positions(io::PromptModel::qwen2_vl, {{io::text(5), io::image(4, 6), io::text(9)}});
//   rope.stream(Positions::per_token(p->ids.data(), 3, 1, p->tokens))
#ifndef SIMDROPE_PROMPTS_HPP_
#define SIMDROPE_PROMPTS_HPP_

#include <cstdint>
#include <simdrope/simdrope.hpp>
#include <vector>

namespace simdrope::io {

enum class PromptModel {
  qwen2_vl,    // the frames of a video are 1 apart
  qwen2_5_vl,  // the frames of a video are as far apart as they are in time
  qwen3_vl     // each frame of a video is an image of its own, with its time as text before it
};

// A run of tokens. The grid of an image or video is that of its tokens, after merging patches.
struct Segment {
  enum class Kind { text, image, video };
  Kind kind = Kind::text;
  int64_t tokens = 0;  // text only
  int64_t frames = 1;
  int64_t height = 0;
  int64_t width = 0;
  double seconds_per_frame = 1;  // qwen2_5_vl videos: second_per_grid_ts
};

inline Segment text(int64_t tokens) { return {Segment::Kind::text, tokens, 1, 0, 0, 1}; }
inline Segment image(int64_t height, int64_t width) { return {Segment::Kind::image, 0, 1, height, width, 1}; }
inline Segment video(int64_t frames, int64_t height, int64_t width, double seconds_per_frame = 1) {
  return {Segment::Kind::video, 0, frames, height, width, seconds_per_frame};
}

struct PromptOptions {
  double tokens_per_second = 2;  // qwen2_5_vl: vision_config.tokens_per_second
  // Frame f of a video is at floor(f * seconds_per_frame * tokens_per_second); true: at
  // f * int(seconds_per_frame) * tokens_per_second, as transformers 5 has it.
  bool whole_seconds = false;
};

struct PromptPositions {
  int64_t tokens = 0;
  std::vector<int64_t> ids;   // [3, tokens]: temporal, height, width
  std::vector<int64_t> next;  // of each prompt, one beyond its largest position: where generation goes on
};

// The positions of prompts packed one after another; each begins at 0. A token of text has the same
// position on all axes. What follows an image or video begins max(height, width) beyond its first
// position, even where its frames reach further.
SIMDROPE_API Result<PromptPositions> mrope_positions(PromptModel model,
                                                     const std::vector<std::vector<Segment>>& prompts,
                                                     const PromptOptions& options = {});

}  // namespace simdrope::io

#endif  // SIMDROPE_PROMPTS_HPP_
