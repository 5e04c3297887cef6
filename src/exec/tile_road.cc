#include "exec/tile_road.h"

#include <algorithm>
#include <cstdint>

#include "core/format.h"
#include "exec/machine.h"
#include "exec/rotate_window.h"

namespace simdrope::impl {
namespace {

// 4 KB: a tile, what it is read from and what it is written to stay in the first-level cache. Up to 8 heads of 128; one
// of 1024.
constexpr size_t kFloats = 1024;

class TileRun {
 public:
  TileRun(const Plan& plan, const Operand& o, const HeadsOfToken& token, const float* cos, const float* sin,
          float scale, NormRows* norm_rows)
      : plan_(plan),
        stages_(plan.kernels->tile),
        o_(o),
        norm_(o.stages.norm),
        norm_rows_(*norm_rows),
        token_(token),
        head_dim_(static_cast<size_t>(plan.head_dim)),
        stride_(TileStride(head_dim_)),
        scale_(scale),
        rotates_(cos != nullptr),
        rotation_{static_cast<size_t>(plan.window.offset), static_cast<size_t>(plan.window.split),
                  static_cast<size_t>(plan.window.pairs()), cos, sin},
        rotate_(plan.window.is_plain() ? stages_.rotate[plan.window.pairing][plan.output_pairing] : nullptr),
        normalise_and_rotate_(rotate_ != nullptr && plan.window.pairing == plan.output_pairing
                                  ? stages_.normalise_and_rotate[plan.window.pairing]
                                  : nullptr),
        normalise_rotate_store_(StoresWithRotation(plan) ? stages_.normalise_rotate_store[o.out.format] : nullptr),
        non_temporal_(o.call.non_temporal && IsAligned(token.out) && o.out.head % kTileAlignment == 0),
        prefetches_(plan.bytes >= kPrefetchNearFrom && o.in.slots.source == SIMDROPE_SLOTS_NONE),
        input_is_tile_(normalise_rotate_store_ != nullptr && o.in.format == SIMDROPE_F32 &&
                       o.stages.input_hadamard == 0 && IsAligned(token.in) && o.in.head % kTileAlignment == 0 &&
                       o.in.head >= BytesOf(SIMDROPE_F32, plan.head_dim)) {}

  void Run() {
    if (norm_.over_all_heads) SumAllHeads();
    const int64_t most = std::min<int64_t>(static_cast<int64_t>(kFloats / stride_), norm_rows_.most_heads());
    for (int64_t h = token_.begin; h < token_.end; h += most) {
      RunHeads(h, static_cast<size_t>(std::min(most, token_.end - h)));
    }
  }

 private:
  static bool IsAligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % kTileAlignment == 0; }

  // Whether norm, rotation and store may be one loop. (Then the operand folds its scale into cos and sin.)
  bool StoresWithRotation(const Plan& plan) const {
    return NormIsSquares() && !norm_.after_rotation && rotates_ && rounding() == SIMDROPE_F32 &&
           plan.window.is_plain() && o_.stages.hadamard == 0 && plan.window.pairing == SIMDROPE_HALF &&
           plan.output_pairing == SIMDROPE_HALF && rotation_.split == rotation_.pairs &&
           2 * rotation_.pairs == head_dim_ && rotation_.pairs % kTileGranule == 0;
  }

  void Rotate(const Tile& tile) const {
    if (rotate_ != nullptr) {
      rotate_(tile, rotation_);
    } else {
      RotateWindow(stages_, plan_.window, plan_.output_pairing, plan_.inverse, tile, rotation_.cos, rotation_.sin);
    }
  }

  Tile TileOf(size_t heads) { return {floats_, heads, head_dim_, stride_}; }
  // With input_is_tile_.
  Tile TileOfInput(int64_t h, size_t heads) const {
    const char* head = token_.in + h * o_.in.head;
    return {const_cast<float*>(reinterpret_cast<const float*>(head)), heads, head_dim_,
            static_cast<size_t>(o_.in.head) / sizeof(float)};
  }

  // The heads after head h of `heads`: of this token or the next.
  TileAhead AheadOf(int64_t h, size_t heads) const {
    if (!prefetches_) return {};
    const int64_t next = h + static_cast<int64_t>(heads);
    const char* data =
        next < token_.end ? token_.in + next * o_.in.head : token_.in + o_.in.token + token_.begin * o_.in.head;
    return {data, o_.in.head, static_cast<size_t>(BytesOf(o_.in.format, plan_.head_dim))};
  }

  TileInput InputAt(int64_t h) const {
    const simdrope_scales& s = o_.in.scales;
    const ptrdiff_t at = h * s.head_stride;
    return {token_.in + h * o_.in.head,
            o_.in.head,
            token_.in_scale != nullptr ? token_.in_scale + at : nullptr,
            token_.in_zero_point != nullptr ? token_.in_zero_point + at : nullptr,
            static_cast<ptrdiff_t>(s.head_stride),
            static_cast<ptrdiff_t>(s.element_stride)};
  }
  TileOutput OutputAt(int64_t h, size_t heads) const {
    const simdrope_scales& s = o_.out.scales;
    const ptrdiff_t at = h * s.head_stride;
    return {token_.out + h * o_.out.head,
            o_.out.head,
            token_.out_scale != nullptr ? token_.out_scale + at : nullptr,
            token_.out_zero_point != nullptr ? token_.out_zero_point + at : nullptr,
            static_cast<ptrdiff_t>(s.head_stride),
            static_cast<ptrdiff_t>(s.element_stride),
            o_.out.computes_scale,
            AheadOf(h, heads)};
  }
  simdrope_format rounding() const { return norm_.round && IsFloat(o_.in.format) ? o_.in.format : SIMDROPE_F32; }

  bool NormIsSquares() const { return norm_.type == SIMDROPE_NORM_RMS || norm_.type == SIMDROPE_NORM_L2; }

  // Heads as they are before the norm.
  void LoadForNorm(int64_t h, const Tile& tile) {
    stages_.load[o_.in.format](InputAt(h), tile);
    if (o_.stages.input_hadamard != 0) stages_.hadamard(tile, static_cast<size_t>(o_.stages.input_hadamard));
    if (norm_.after_rotation && rotates_) Rotate(tile);
  }

  // Factor, and mean of layer norms, of all heads of the token. Sums of heads are added in the order of heads.
  void SumAllHeads() {
    const float count = static_cast<float>(o_.heads) * static_cast<float>(head_dim_);
    float mean = 0;
    if (norm_.type == SIMDROPE_NORM_LAYER) mean = SumOverHeads(stages_.sums) / count;
    std::fill_n(means_, kTileHeads, mean);
    const auto deviation_sums = [this](const Tile& tile, float* sums) { stages_.deviation_sums(tile, means_, sums); };
    const float sum = NormIsSquares() ? SumOverHeads(stages_.square_sums) : SumOverHeads(deviation_sums);
    const simdrope_norm_type type = norm_.type == SIMDROPE_NORM_L2 ? SIMDROPE_NORM_L2 : SIMDROPE_NORM_RMS;
    float sums[kTileHeads];
    std::fill_n(sums, kTileHeads, sum);
    stages_.norm_factors(type, sums, count, norm_.eps, factors_);
  }
  template <class Sums>
  float SumOverHeads(const Sums& sums) {
    const size_t most = std::min<size_t>(kFloats / stride_, kTileHeads);
    float total = 0;
    for (size_t h = 0; h < static_cast<size_t>(o_.heads); h += most) {
      const Tile tile = TileOf(std::min(most, static_cast<size_t>(o_.heads) - h));
      LoadForNorm(static_cast<int64_t>(h), tile);
      float of_heads[kTileHeads];
      sums(tile, of_heads);
      for (size_t i = 0; i < tile.heads; ++i) total += of_heads[i];
    }
    return total;
  }

  void RunHeads(int64_t h, size_t heads) {
    const Tile tile = input_is_tile_ ? TileOfInput(h, heads) : TileOf(heads);
    const bool loads_sums = !input_is_tile_ && NormIsSquares() && !norm_.over_all_heads && !norm_.after_rotation &&
                            o_.stages.input_hadamard == 0;
    if (loads_sums) {
      float sums[kTileHeads] = {};
      stages_.load_and_sum[o_.in.format](InputAt(h), tile, sums);
      stages_.norm_factors(norm_.type, sums, static_cast<float>(head_dim_), norm_.eps, factors_);
    } else if (!input_is_tile_) {
      stages_.load[o_.in.format](InputAt(h), tile);
      if (o_.stages.input_hadamard != 0) stages_.hadamard(tile, static_cast<size_t>(o_.stages.input_hadamard));
    }
    const bool norm_first = norm_.type != SIMDROPE_NORM_NONE && !norm_.after_rotation;
    if (norm_first && NormIsSquares() && rotates_ && normalise_and_rotate_ != nullptr) {
      if (!loads_sums && !norm_.over_all_heads) FindFactors(tile);
      if (normalise_rotate_store_ != nullptr) {
        normalise_rotate_store_(tile, factors_, norm_rows_.At(h), rotation_, OutputAt(h, heads), non_temporal_);
        return;
      }
      normalise_and_rotate_(tile, factors_, norm_rows_.At(h), rounding(), rotation_);
    } else {
      if (norm_first) Normalise(tile, h, loads_sums);
      if (rotates_) Rotate(tile);
    }
    if (norm_.type != SIMDROPE_NORM_NONE && norm_.after_rotation) Normalise(tile, h, false);
    if (o_.stages.hadamard != 0) stages_.hadamard(tile, static_cast<size_t>(o_.stages.hadamard));
    Scale(tile);
    stages_.store[o_.out.format](tile, OutputAt(h, heads));
  }

  void FindFactors(const Tile& tile) {
    float sums[kTileHeads] = {};
    stages_.square_sums(tile, sums);
    stages_.norm_factors(norm_.type, sums, static_cast<float>(head_dim_), norm_.eps, factors_);
  }

  void Normalise(const Tile& tile, int64_t h, bool has_factors) {
    if (NormIsSquares()) {
      if (!has_factors && !norm_.over_all_heads) FindFactors(tile);
      stages_.normalise(tile, factors_, norm_rows_.At(h), rounding());
    } else if (norm_.over_all_heads) {
      stages_.centre_and_normalise(tile, means_, factors_, norm_rows_.At(h), rounding());
    } else {
      stages_.layer_norm(tile, norm_.eps, norm_rows_.At(h), rounding());
    }
  }

  void Scale(const Tile& tile) {
    if (scale_ == 1.0f) return;
    if (!rotates_ || !o_.folds_scale) {
      stages_.scale(tile, scale_);
      return;
    }
    for (size_t h = 0; h < tile.heads; ++h) {
      for (int i = 0; i < o_.outside_count; ++i) {
        float* const p = tile.data + h * tile.stride + o_.outside[i].begin;
        for (int32_t d = 0; d < o_.outside[i].count; ++d) p[d] *= scale_;
      }
    }
  }

  const Plan& plan_;
  const TileKernels& stages_;
  const Operand& o_;
  const simdrope_norm& norm_;
  NormRows& norm_rows_;
  const HeadsOfToken& token_;
  const size_t head_dim_;
  const size_t stride_;
  const float scale_;
  const bool rotates_;
  const TileRotation rotation_;
  void (*const rotate_)(const Tile&, const TileRotation&);  // NULL: by RotateWindow
  void (*const normalise_and_rotate_)(const Tile&, const float*, const NormWeights&, simdrope_format,
                                      const TileRotation&);
  void (*const normalise_rotate_store_)(const Tile&, const float*, const NormWeights&, const TileRotation&,
                                        const TileOutput&, bool);
  const bool non_temporal_;
  const bool prefetches_;
  const bool input_is_tile_;  // f32 that lies as in a tile: norm, rotation and store read it where it is
  float means_[kTileHeads];
  float factors_[kTileHeads];
  alignas(kTileAlignment) float floats_[kFloats];
};

}  // namespace

void RunTile(const Plan& plan, const Operand& o, const HeadsOfToken& token, const float* cos, const float* sin,
             float scale, NormRows* norm_rows) {
  TileRun(plan, o, token, cos, sin, scale, norm_rows).Run();
}

void ScaleSegment(const Plan& plan, const Operand& o, const HeadsOfToken& token, Segment segment, float scale) {
  const TileKernels& stages = plan.kernels->tile;
  alignas(kTileAlignment) float floats[kFloats];
  const size_t count = static_cast<size_t>(segment.count);
  const Tile tile{floats, 1, count, TileStride(count)};
  const ptrdiff_t at = BytesOf(o.in.format, segment.begin);
  for (int64_t h = token.begin; h < token.end; ++h) {
    stages.load[o.in.format]({token.in + h * o.in.head + at, 0, nullptr, nullptr, 0, 0}, tile);
    stages.scale(tile, scale);
    stages.store[o.out.format](tile, {token.out + h * o.out.head + at, 0, nullptr, nullptr, 0, 0, false});
  }
}

}  // namespace simdrope::impl
