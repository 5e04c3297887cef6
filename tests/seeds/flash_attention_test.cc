// flash-attention's rotary layer (flash_attn/layers/rotary.py), call by call, in simdrope's terms.
#include <cmath>
#include <cstdlib>
#include <optional>

#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

using simdrope::Tensor;

// RotaryEmbedding(dim, base, interleaved, scale_base, scaling_factor, pos_idx_in_fp32).
struct Arguments {
  int dim;
  double base = 10000.0;
  bool interleaved = false;
  std::optional<double> scale_base = {};
  double scaling_factor = 1.0;
  bool pos_idx_in_fp32 = true;
};

class RotaryEmbedding {
 public:
  // `head_dim` is beyond `dim` where only part of a head is rotated; `format` is that of the layer.
  RotaryEmbedding(const Arguments& arguments, int head_dim, Format format) {
    config_ = simdrope::Config(head_dim, arguments.base);
    config_.rotary_dim = arguments.dim;
    config_.pairing = arguments.interleaved ? simdrope::interleaved : simdrope::half;
    if (arguments.scaling_factor != 1.0) {
      config_.scaling.type = SIMDROPE_SCALING_LINEAR;
      config_.scaling.factor = arguments.scaling_factor;
    }
    if (arguments.scale_base) config_.xpos.scale_base = *arguments.scale_base;
    config_.xpos.center_at_half_length = true;
    if (!arguments.pos_idx_in_fp32) {
      config_.precision =
          format == simdrope::f16 ? SIMDROPE_PRECISION_F16_POSITIONS : SIMDROPE_PRECISION_BF16_POSITIONS;
    }
    rope_ = *simdrope::Rope::create(config_);
    cache_ = *simdrope::CosSinCache::create(rope_);
  }

  // _update_cos_sin_cache: with XPos the centre follows the cached length, and the table is made anew.
  void UpdateCosSinCache(int64_t seqlen) {
    if (seqlen <= cached_) return;
    cached_ = seqlen;
    if (config_.xpos.scale_base == 0) return;
    config_.scaling.seq_len = seqlen;
    rope_ = *simdrope::Rope::create(config_);
    cache_ = *simdrope::CosSinCache::create(rope_);
  }

  // forward(q, k, seqlen_offset, max_seqlen): out of place, or in place without outputs.
  simdrope::Status Forward(const simdrope::QKV& qk, int64_t seqlen_offset, const simdrope::QKV* out = nullptr) {
    UpdateCosSinCache(qk.q.seq + seqlen_offset);
    const auto rows = cache_.rows(cached_, simdrope::Positions(seqlen_offset));
    if (!rows) return rows.status();
    return out != nullptr ? simdrope::apply(*rows, qk, *out) : simdrope::apply(*rows, qk);
  }

  int64_t cached() const { return cached_; }
  const simdrope::Rope& rope() const { return rope_; }

 private:
  simdrope::Config config_;
  simdrope::Rope rope_;
  simdrope::CosSinCache cache_;
  int64_t cached_ = 0;
};

// The rows of the original: cos and sin of t / scaling_factor * inv_freq, with XPos times or over scale.
Row Original(const Arguments& a, bool key, int64_t position, int64_t cached) {
  std::vector<double> inv_freq = PlainInvFreq(a.base, a.dim);
  Row row = RowAt(inv_freq, static_cast<double>(position) / a.scaling_factor);
  const int64_t middle = cached / 2;
  for (size_t i = 0; a.scale_base && i < inv_freq.size(); ++i) {
    const double scale = (2 * static_cast<double>(i) + 0.4 * a.dim) / (1.4 * a.dim);
    const double power = (static_cast<double>(position) - static_cast<double>(middle)) / *a.scale_base;
    const double factor = std::pow(scale, key ? -power : power);
    row.cos[i] *= factor;
    row.sin[i] *= factor;
  }
  return row;
}

struct Use {
  Arguments arguments;
  int head_dim;
  Format format = simdrope::f32;
  bool in_place = false;
};

// Feeds lengths and offsets one after another, as a generation does.
std::string Generate(const Use& use, uint64_t seed) {
  Random random(seed);
  RotaryEmbedding layer(use.arguments, use.head_dim, use.format);
  const int longest = IsQuick() ? 20 : 300;
  for (const auto& [seqlen, offset] : {std::pair{12, 0}, {1, 12}, {1, 13}, {longest, 14}, {5, 0}}) {
    Tensors in = MakeTensors(Layout::kBshd, {2, seqlen, 4, 2, 0, use.head_dim}, use.format);
    Tensors out = MakeTensors(Layout::kBshd, {2, seqlen, 4, 2, 0, use.head_dim}, use.format);
    const int64_t cached = std::max<int64_t>(layer.cached(), seqlen + offset);
    Job job;
    job.SetWindow(use.arguments.dim, 0, use.arguments.interleaved ? simdrope::interleaved : simdrope::half);
    job.in = in.qkv;
    job.out = use.in_place ? in.qkv : out.qkv;
    const int64_t first = offset;
    job.row = [&](bool key, int64_t, int64_t s) { return Original(use.arguments, key, first + s, cached); };
    FillInputs(job, Inputs::kTame, &random);
    const std::string mismatch = CheckJob(
        job, BuffersOf(&in, &out), [&] { return layer.Forward(in.qkv, first, use.in_place ? nullptr : &out.qkv); });
    if (!mismatch.empty()) return "seqlen " + std::to_string(seqlen) + ": " + mismatch;
    if (layer.cached() != cached) return "the cache has another length";
  }
  return "";
}

}  // namespace

TEST_CASE("rotate_half(x, interleaved)") {
  for (const bool interleaved : {false, true}) {
    std::vector<float> x(3 * 8), y(x.size());
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) + 0.5f;
    const auto status = simdrope::rotate_half(simdrope::thd(x.data(), 3, 1, 8), simdrope::thd(y.data(), 3, 1, 8),
                                              interleaved ? simdrope::interleaved : simdrope::half);
    REQUIRE(status.ok());
    for (size_t row = 0; row < 24; row += 8) {
      for (size_t i = 0; i < 4; ++i) {
        const size_t first = row + (interleaved ? 2 * i : i), second = row + (interleaved ? 2 * i + 1 : i + 4);
        CHECK(y[first] == -x[second]);
        CHECK(y[second] == x[first]);
      }
    }
  }
}

TEST_CASE("apply_rotary_emb(x, cos, sin, interleaved, inplace, seqlen_offsets, conjugate)") {
  Random random(101);
  int runs = 0;
  for (const bool interleaved : {false, true}) {
    for (const int rotary_dim : {16, 8}) {  // the whole head, and part of it
      for (const bool conjugate : {false, true}) {
        for (const bool offsets_are_tensor : {false, true}) {
          const int64_t batch = 2, seqlen = 6, rows = 40;
          std::vector<float> cos(static_cast<size_t>(rows * rotary_dim / 2)), sin(cos.size());
          for (size_t i = 0; i < cos.size(); ++i) {
            cos[i] = static_cast<float>(random.Real(-1, 1));
            sin[i] = static_cast<float>(random.Real(-1, 1));
          }
          const int32_t seqlen_offsets[] = {30, 3};
          simdrope::CosSinView view(simdrope::Table(cos.data(), sin.data(), rows, rotary_dim / 2),
                                    interleaved ? simdrope::interleaved : simdrope::half);
          view.rotary_dim = rotary_dim;
          view.positions =
              offsets_are_tensor ? simdrope::Positions::per_sequence(seqlen_offsets, batch) : simdrope::Positions(7);
          Tensors x = MakeTensors(Layout::kBshd, {batch, seqlen, 3, 0, 0, 16}, simdrope::bf16);
          Job job;
          job.SetWindow(rotary_dim, 0, interleaved ? simdrope::interleaved : simdrope::half);
          job.in = job.out = x.qkv;
          job.inverse = conjugate;
          job.row = [&](bool, int64_t b, int64_t s) {
            const int64_t at = ((offsets_are_tensor ? seqlen_offsets[b] : 7) + s) * (rotary_dim / 2);
            return Row{Action::kRotate,
                       std::vector<double>(cos.begin() + at, cos.begin() + at + rotary_dim / 2),
                       std::vector<double>(sin.begin() + at, sin.begin() + at + rotary_dim / 2),
                       0,
                       {}};
          };
          FillInputs(job, Inputs::kTame, &random);
          simdrope::Options options;
          options.inverse = conjugate;
          CHECK(CheckJob(job, BuffersOf(&x), [&] { return simdrope::apply(view, x.qkv, options); }) == "");
          ++runs;
        }
      }
    }
  }
  CHECK(runs == 16);
}

TEST_CASE("apply_rotary_emb with cu_seqlens: positions restart in each sequence") {
  Random random(102);
  const auto rope = simdrope::Rope::create(simdrope::Config(32));
  REQUIRE(rope.ok());
  const int32_t cu_seqlens[] = {0, 4, 4, 9};
  Tensors x = MakeTensors(Layout::kThd, {1, 9, 2, 0, 0, 32}, simdrope::f16);
  const std::vector<double> inv_freq = PlainInvFreq(1e4, 32);
  Job job;
  job.SetWindow(32, 0, simdrope::half);
  job.in = job.out = x.qkv;
  job.row = [&](bool, int64_t, int64_t s) { return RowAt(inv_freq, static_cast<double>(s < 4 ? s : s - 4)); };
  FillInputs(job, Inputs::kTame, &random);
  const auto view = rope->stream(simdrope::Positions::packed(cu_seqlens, 3));
  CHECK(CheckJob(job, BuffersOf(&x), [&] { return simdrope::apply(view, x.qkv); }) == "");
}

TEST_CASE("apply_rotary_emb_qkv_: Q and K of a packed QKV in place, V untouched") {
  Random random(103);
  const auto rope = simdrope::Rope::create(simdrope::Config(32));
  REQUIRE(rope.ok());
  Tensors qkv = MakeTensors(Layout::kPackedQkv, {2, 5, 3, 3, 3, 32}, simdrope::bf16);
  const std::vector<double> inv_freq = PlainInvFreq(1e4, 32);
  Job job;
  job.SetWindow(32, 0, simdrope::half);
  job.in = job.out = qkv.qkv;
  job.row = [&](bool, int64_t, int64_t s) { return RowAt(inv_freq, static_cast<double>(s)); };
  FillInputs(job, Inputs::kTame, &random);
  CHECK(CheckJob(job, BuffersOf(&qkv), [&] { return simdrope::apply(rope->stream(), qkv.qkv); }) == "");
}

TEST_CASE("RotaryEmbedding: whole and partial heads, both pairings, a scaling factor, in place or not") {
  uint64_t seed = 110;
  for (const bool interleaved : {false, true}) {
    for (const double scaling_factor : {1.0, 4.0}) {
      for (const bool in_place : {false, true}) {
        for (const Format format : kFormats) {
          Arguments arguments{32, 10000.0, interleaved};
          arguments.scaling_factor = scaling_factor;
          CHECK(Generate({arguments, 32, format, in_place}, ++seed) == "");
          CHECK(Generate({arguments, 48, format, in_place}, ++seed) == "");
        }
      }
    }
  }
}

TEST_CASE("RotaryEmbedding with scale_base: XPos, also where the original asserts False") {
  for (const bool interleaved : {false, true}) {
    for (const bool in_place : {false, true}) {
      const Arguments arguments{32, 10000.0, interleaved, 512.0};
      CHECK(Generate({arguments, 32, simdrope::f32, in_place}, 120) == "");
      CHECK(Generate({arguments, 40, simdrope::bf16, in_place}, 121) == "");
    }
  }
}

TEST_CASE("RotaryEmbedding with pos_idx_in_fp32=False: arange, inv_freq and their product in 16 bits") {
  for (const Format format : {simdrope::f16, simdrope::bf16}) {
    Arguments arguments{16};
    arguments.pos_idx_in_fp32 = false;
    const RotaryEmbedding layer(arguments, 16, format);
    const int64_t seqlen = 600;
    const auto rows = layer.rope().cos_sin(simdrope::Positions(), 1, seqlen);
    REQUIRE(rows.ok());
    const std::vector<double> inv_freq = PlainInvFreq(1e4, 16);
    double worst = 0;
    for (int64_t t = 0; t < seqlen; ++t) {
      for (size_t i = 0; i < 8; ++i) {
        const double f = Rounded(Rounded(inv_freq[i], simdrope::f32), format);
        const double angle = Rounded(Rounded(static_cast<double>(t), format) * f, format);
        const float got = static_cast<const float*>(rows->view().table.cos)[t * 8 + static_cast<int64_t>(i)];
        worst = std::fmax(worst, std::fabs(static_cast<double>(got) - std::cos(angle)));
      }
    }
    CHECK(worst <= 2 * kU);
  }
}

TEST_CASE("the backward pass is the rotation by -sin") {
  Random random(104);
  const auto rope = simdrope::Rope::create(simdrope::Config(64));
  REQUIRE(rope.ok());
  Tensors gradient = MakeTensors(Layout::kPackedQkv, {1, 7, 2, 2, 2, 64}, simdrope::f32);
  const std::vector<double> inv_freq = PlainInvFreq(1e4, 64);
  Job job;
  job.SetWindow(64, 0, simdrope::half);
  job.in = job.out = gradient.qkv;
  job.inverse = true;
  job.row = [&](bool, int64_t, int64_t s) { return RowAt(inv_freq, static_cast<double>(s)); };
  FillInputs(job, Inputs::kTame, &random);
  simdrope::Options options;
  options.inverse = true;
  CHECK(CheckJob(job, BuffersOf(&gradient), [&] { return simdrope::apply(rope->stream(), gradient.qkv, options); }) ==
        "");
}
