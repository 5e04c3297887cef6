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
  qwen3_vl,    // each frame of a video is an image of its own, with its time as text before it
  // TMRoPE: as qwen2_5_vl, but what follows a video begins beyond its largest position; a video and its sound take
  // turns, a chunk of time each.
  qwen2_5_omni,
  // XD-RoPE: four axes, of which the first counts all tokens; each row of an image ends with a token of its own.
  hunyuan_vl,
  // VideoRoPE of Ming (Ling 2, rope_type video_rope): rows and columns are counted from the middle of a frame, and from
  // its time on; what follows goes on one beyond the last frame. Positions at a prompt's beginning may be negative.
  // (rope_type 3D: qwen2_5_omni.)
  ling
};

// A run of tokens. The grid of an image or video is that of its tokens, after merging patches. Sound by itself has
// positions as text has.
struct Segment {
  enum class Kind { text, image, video };
  Kind kind = Kind::text;
  int64_t tokens = 0;  // text only
  int64_t frames = 1;
  int64_t height = 0;
  int64_t width = 0;
  double seconds_per_frame = 1;  // qwen2_5_vl, qwen2_5_omni and ling videos: second_per_grid_ts
  // qwen2_5_omni: tokens of the video's own sound, from its first frame on. The segment then has four tokens more: its
  // two beginnings share a position, and so do its two ends.
  int64_t sound_tokens = 0;
};

inline Segment text(int64_t tokens) { return {Segment::Kind::text, tokens, 1, 0, 0, 1, 0}; }
inline Segment image(int64_t height, int64_t width) { return {Segment::Kind::image, 0, 1, height, width, 1, 0}; }
inline Segment video(int64_t frames, int64_t height, int64_t width, double seconds_per_frame = 1) {
  return {Segment::Kind::video, 0, frames, height, width, seconds_per_frame, 0};
}
inline Segment video_with_sound(int64_t frames, int64_t height, int64_t width, double seconds_per_frame,
                                int64_t sound_tokens) {
  return {Segment::Kind::video, 0, frames, height, width, seconds_per_frame, sound_tokens};
}

struct PromptOptions {
  // qwen2_5_vl: vision_config.tokens_per_second; qwen2_5_omni: position_id_per_seconds, which is 25; ling: always 2.
  double tokens_per_second = 2;
  double seconds_per_chunk = 2;  // qwen2_5_omni: of video and sound in turns
  // Frame f of a video is at floor(f * seconds_per_frame * tokens_per_second); true: at
  // f * int(seconds_per_frame) * tokens_per_second, as transformers 5 has it.
  bool whole_seconds = false;
};

struct PromptPositions {
  int64_t tokens = 0;
  int axes = 3;
  // [axes, tokens]: temporal, height, width; hunyuan_vl: token, column, row, image.
  std::vector<int64_t> ids;
  std::vector<int64_t> next;  // of each prompt, one beyond its largest position: where generation goes on
};

// The positions of prompts packed one after another; each begins at 0. A token of text has the same
// position on all axes. What follows an image or video begins max(height, width) beyond its first
// position, even where its frames reach further; with the models that say so elsewhere.
SIMDROPE_API Result<PromptPositions> mrope_positions(PromptModel model,
                                                     const std::vector<std::vector<Segment>>& prompts,
                                                     const PromptOptions& options = {});

// Dual chunk attention (arXiv 2402.17463, Qwen2.5-1M): the position of each key, and of each query towards the keys of
// its own chunk, of the chunk before and of all chunks before that. A chunk has chunk_size - local_size tokens.
struct DualChunkPositions {
  std::vector<int64_t> keys;
  std::vector<int64_t> same;
  std::vector<int64_t> before;
  std::vector<int64_t> far;
};

// Of tokens start, start + 1, ... start + count - 1.
SIMDROPE_API Result<DualChunkPositions> dual_chunk_positions(int64_t start, int64_t count, int64_t chunk_size,
                                                             int64_t local_size);

}  // namespace simdrope::io

#endif  // SIMDROPE_PROMPTS_HPP_
