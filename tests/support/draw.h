// A random call of apply: layout x formats x pairings x window x positions x rows x table form x out-of-range policy
// x threads and slices, checked against the double reference.
#ifndef SIMDROPE_TESTS_SUPPORT_DRAW_H_
#define SIMDROPE_TESTS_SUPPORT_DRAW_H_

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>

#include "support.h"
#include "support/ids.h"
#include "support/layouts.h"
#include "support/tables.h"

#if SIMDROPE_HAVE_TBB
#include <oneapi/tbb/task_arena.h>
#endif

namespace testing {

enum class Source { kStreamed, kPrepared, kTable };

inline constexpr Pairing kPairings[] = {simdrope::half, simdrope::interleaved};

// What a draw is for.
enum class DrawFor {
  kReference,  // everything that a call of apply can be given
  kDigest      // the same bits on every machine: nothing that passes through the C library's pow, exp, log or cos
};

class Draw {
 public:
  explicit Draw(uint64_t seed, DrawFor purpose = DrawFor::kReference) : random_(seed), purpose_(purpose) {
    DrawShape();
    DrawConfig();
    DrawSource();
    DrawTensors();
    FillInputs(job_, inputs_, &random_);
  }

  // "" where the library agrees with the reference and with itself.
  std::string Check() {
    const std::vector<Buffer*> buffers = Buffers();
    const auto before = BytesOf(buffers);
    simdrope::Options serial = options_;
    serial.threads = 1;
    if (must_fail_) {
      const simdrope::Status status = Run(serial);
      if (status.code() != SIMDROPE_OUT_OF_RANGE) return "a position without a row was not refused";
      return BytesOf(buffers) == before ? "" : "a refused call has written";
    }
    const std::string mismatch = CheckJob(job_, buffers, [&] { return Run(serial); });
    if (!mismatch.empty()) return mismatch;
    if (table_ && !table_->GuardsIntact()) return "the table's guard bytes were written";
    UnifyNaNs(job_.out);
    const auto whole = BytesOf(buffers);

    RestoreBytes(buffers, before);
    const std::string sliced = RunSlices();
    if (!sliced.empty()) return sliced;
    UnifyNaNs(job_.out);
    if (BytesOf(buffers) != whole) return "slices differ from serial";

    RestoreBytes(buffers, before);
    const simdrope::Status parallel = RunParallel();
    if (!parallel) return "parallel: " + parallel.message();
    UnifyNaNs(job_.out);
    return BytesOf(buffers) == whole ? "" : "parallel differs from serial";
  }

  // FNV-1a of every byte of the output buffers after a serial call, NaNs made one. A refused call leaves them as they
  // were.
  uint64_t Digest() {
    simdrope::Options serial = options_;
    serial.threads = 1;
    const simdrope::Status status = Run(serial);
    REQUIRE_MESSAGE(status.ok() != must_fail_, status.message());
    UnifyNaNs(job_.out);
    uint64_t hash = 0xcbf29ce484222325u;
    for (const std::vector<char>& bytes : BytesOf(Buffers())) {
      for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
    }
    return hash;
  }

  std::string Describe() const {
    char text[400];
    const auto tensor = [](const simdrope_tensor& t) {
      return std::string(NameOf(t.format)) + "[" + std::to_string(t.batch) + ", " + std::to_string(t.seq) + ", " +
             std::to_string(t.heads) + ", " + std::to_string(t.head_dim) + "] strides " +
             std::to_string(t.batch_stride) + ", " + std::to_string(t.seq_stride) + ", " +
             std::to_string(t.head_stride);
    };
    std::snprintf(text, sizeof(text),
                  "q %s to %s; k %s; window %d + %d split %d; pairing %d to %d; source %d; inputs %d; in place %d; "
                  "inverse %d; q_scale %g; axes %d",
                  tensor(job_.in.q).c_str(), tensor(job_.out.q).c_str(), tensor(job_.in.k).c_str(),
                  job_.window.rotary_offset, job_.window.rotary_dim, job_.window.split, job_.window.pairing,
                  job_.window.output_pairing, static_cast<int>(source_), static_cast<int>(inputs_), in_place_,
                  job_.inverse, static_cast<double>(options_.q.scale), config_.axes.count);
    return text;
  }

  bool is_large() const { return large_; }
  bool must_fail() const { return must_fail_; }
  Source source() const { return source_; }

 private:
  void DrawShape() {
    large_ = random_.Chance(IsQuick() && purpose_ == DrawFor::kReference ? 200 : 100);
    if (large_) {
      shape_ = {random_.Int(1, 2), random_.Int(24, 48), 8, random_.Int(0, 4), random_.Int(0, 2), 64};
    } else {
      shape_.batch = random_.Int(1, 3);
      shape_.seq = random_.Chance(20) ? 0 : random_.Int(1, 6);
      shape_.q_heads = random_.Int(0, 3);
      shape_.k_heads = random_.Int(shape_.q_heads == 0 ? 1 : 0, 2);
      shape_.v_heads = random_.Chance(3) ? shape_.k_heads : 0;
      shape_.head_dim = 2 * random_.Int(1, random_.Chance(10) ? 80 : 17);
    }
    if (purpose_ == DrawFor::kDigest) {
      if (random_.Chance(2)) shape_.head_dim = random_.Pick({32, 40, 48, 64, 72, 80, 96, 112, 128, 192, 256, 512});
      inputs_ = random_.Pick({Inputs::kTame, Inputs::kSubnormal, Inputs::kWide, Inputs::kSpecial});
      return;
    }
    inputs_ = random_.Pick(
        {Inputs::kTame, Inputs::kTame, Inputs::kCancelling, Inputs::kSubnormal, Inputs::kWide, Inputs::kSpecial});
  }

  void DrawConfig() {
    config_ = simdrope::Config(static_cast<int>(shape_.head_dim), random_.Pick({1e2, 1e4, 5e5, 1e9}));
    const int half_head = static_cast<int>(shape_.head_dim) / 2;
    if (random_.Chance(2)) {
      config_.rotary_dim = 2 * static_cast<int>(random_.Int(1, half_head));
      config_.rotary_offset = 2 * static_cast<int>(random_.Int(0, half_head - config_.rotary_dim / 2));
    }
    config_.pairing = kPairings[random_.Int(0, 1)];
    if (random_.Chance(2)) options_.output_pairing = kPairings[random_.Int(0, 1)];
    const int dim = config_.rotary_dim == 0 ? static_cast<int>(shape_.head_dim) : config_.rotary_dim;
    const int room = static_cast<int>(shape_.head_dim) - config_.rotary_offset - dim;
    if (config_.pairing == simdrope::half && room > 0 && random_.Chance(3)) {
      config_.split = dim / 2 + static_cast<int>(random_.Int(0, room));
      if (config_.split != dim / 2) options_.output_pairing = SIMDROPE_SAME_PAIRING;
    }
    pairs_ = dim / 2;
    if (random_.Chance(3)) {
      config_.axes.count = static_cast<int>(random_.Int(2, SIMDROPE_MAX_AXES));
      config_.axes.layout = SIMDROPE_AXES_EXPLICIT;
      std::vector<uint8_t> pair_axis;
      for (int i = 0; i < pairs_; ++i) {
        pair_axis.push_back(static_cast<uint8_t>(random_.Int(0, config_.axes.count - 1)));
      }
      config_.set_pair_axis(pair_axis);
    }
    options_.inverse = random_.Chance(2);
    if (random_.Chance(3)) options_.q.scale = static_cast<float>(random_.Real(-2, 2));
    if (purpose_ == DrawFor::kDigest) {
      config_.precision = random_.Pick({SIMDROPE_PRECISION_EXACT, SIMDROPE_PRECISION_EXACT, SIMDROPE_PRECISION_FLOAT32,
                                        SIMDROPE_PRECISION_BF16_POSITIONS, SIMDROPE_PRECISION_F16_POSITIONS});
      config_.scaling.type = SIMDROPE_SCALING_EXPLICIT;
      std::vector<double> inv_freq;
      for (int i = 0; i < pairs_; ++i) inv_freq.push_back(random_.Real(0, 1));
      config_.set_factors(inv_freq);
      return;
    }
    if (random_.Chance(4)) config_.precision = SIMDROPE_PRECISION_FLOAT32;
    if (random_.Chance(5)) {
      config_.scaling.type = SIMDROPE_SCALING_YARN;
      config_.scaling.factor = 8;
      config_.scaling.original_max_position = 2048;
    }
    if (random_.Chance(6)) {
      config_.xpos.scale_base = 512;
      config_.xpos.center = random_.Real(-100, 100);
    }
    if (random_.Chance(6)) config_.temperature = {0.1, 100, 1};
    if (random_.Chance(5)) DrawBlocks();
    if (random_.Chance(5) && config_.xpos.scale_base == 0) {
      config_.angle_order = random_.Pick({SIMDROPE_ANGLES_HALVES, SIMDROPE_ANGLES_NEIGHBOURS});
      const bool is_half = config_.pairing == simdrope::half;
      if ((config_.angle_order == SIMDROPE_ANGLES_NEIGHBOURS) == is_half) {
        options_.output_pairing = SIMDROPE_SAME_PAIRING;
      }
    }
  }

  // Axes one after the other, some without pairs; where they can, pairs lie inside the block of their axis.
  void DrawBlocks() {
    simdrope_axes& axes = config_.axes;
    axes.count = static_cast<int>(random_.Int(2, SIMDROPE_MAX_AXES));
    axes.layout = SIMDROPE_AXES_RESTART;
    config_.set_pair_axis({});
    int left = pairs_;
    for (int a = 0; a < axes.count; ++a) {
      axes.sections[a] = a + 1 == axes.count ? left : static_cast<int>(random_.Int(0, left));
      left -= axes.sections[a];
    }
    config_.pairs_in_sections = config_.pairing == simdrope::half && config_.split == 0;
  }

  void DrawSource() {
    source_ = random_.Pick({Source::kStreamed, Source::kPrepared, Source::kTable});
    const bool packed = shape_.batch == 1 && random_.Chance(3);
    IdsDraw ids{kIdsForms[random_.Int(0, 3)], shape_.batch, shape_.seq, 1, 0, 2000, random_.Chance(4)};
    if (packed) ids.form = random_.Pick({IdsForm::kPacked, IdsForm::kPackedOffsets});
    if (shape_.seq == 0) ids.padding = false;
    ids.axes = config_.axes.count;
    if (source_ == Source::kTable) {
      DrawTable(&ids);
    } else {
      // XPos grows exponentially: near its centre it stays within float.
      if (config_.xpos.scale_base == 0 && random_.Chance(2)) ids.greatest = 1 << 20;
      if (config_.precision == SIMDROPE_PRECISION_F16_POSITIONS) ids.greatest = 2000;
      if (config_.temperature.beta == 0 && config_.xpos.scale_base == 0) ids.least = -ids.greatest;
      ids_ = std::make_unique<Ids>(ids, &random_);
      rope_ = simdrope::Rope::create(config_);
      REQUIRE_MESSAGE(rope_->ok(), rope_->status().message());
      UseRope(**rope_, config_, *ids_, &job_);
    }
  }

  void DrawTable(IdsDraw* ids) {
    config_.angle_order = SIMDROPE_ANGLES_OF_PAIRS;  // a table says these in its own way, or not
    config_.pairs_in_sections = false;
    if (config_.axes.layout == SIMDROPE_AXES_RESTART) config_.axes.count = ids->axes = 1;
    const int64_t rows = random_.Int(1, 24);
    const int64_t batches = random_.Chance(3) ? shape_.batch : 1;
    // Drawn one by one: the order in which arguments are evaluated is the compiler's choice.
    const Format table_format = kFormats[random_.Int(0, 2)];
    const auto table_form = kTableForms[random_.Int(0, 6)];
    table_.emplace(table_form, table_format, batches, rows, pairs_, &random_);
    view_ = simdrope::CosSinView(table_->view(), config_.pairing);
    view_.rotary_dim = config_.rotary_dim;
    view_.rotary_offset = config_.rotary_offset;
    view_.split = config_.split;
    if (config_.axes.count > 1) view_.pair_axis = config_.axes.pair_axis;
    if (random_.Chance(3)) view_.magnitude = static_cast<float>(random_.Real(-1.5, 1.5));
    view_.out_of_range = random_.Pick({SIMDROPE_REJECT, SIMDROPE_IDENTITY, SIMDROPE_SKIP});
    // Mostly inside; a range that begins below 0 or goes beyond the rows is what the policy is for.
    const bool outside = random_.Chance(4);
    ids->least = outside ? -3 : 0;
    ids->greatest = outside ? rows + 2 : std::max<int64_t>(0, rows - 1 - shape_.seq);
    ids_ = std::make_unique<Ids>(*ids, &random_);
    view_.positions = ids_->view();

    config_.xpos.scale_base = 0;
    config_.temperature.beta = 0;
    job_.SetWindow(2 * pairs_, config_.rotary_offset, config_.pairing);
    if (config_.split != 0) job_.window.split = config_.split;
    job_.row = [this](bool, int64_t b, int64_t s) { return RowOfTable(b, s); };
    for (int64_t b = 0; b < shape_.batch; ++b) {
      for (int64_t s = 0; s < shape_.seq; ++s) {
        must_fail_ = must_fail_ || (view_.out_of_range == SIMDROPE_REJECT && !ids_->IsPadding(b, s) && !HasRow(b, s));
      }
    }
  }

  bool HasRow(double position) const { return position >= 0 && position < static_cast<double>(table_->rows()); }

  // Up to the last axis that a pair is on.
  int AxesInUse() const {
    int axes = 1;
    for (int i = 0; i < pairs_ && config_.axes.count > 1; ++i) axes = std::max(axes, config_.axes.pair_axis[i] + 1);
    return axes;
  }

  bool HasRow(int64_t b, int64_t s) const {
    for (int a = 0; a < AxesInUse(); ++a) {
      if (!HasRow(static_cast<double>(ids_->At(a, b, s)))) return false;
    }
    return true;
  }

  Row RowOfTable(int64_t b, int64_t s) const {
    Row row;
    const bool several_axes = AxesInUse() > 1;
    const bool moves = options_.output_pairing != SIMDROPE_SAME_PAIRING && options_.output_pairing != config_.pairing;
    row.action = ids_->IsPadding(b, s)                 ? Action::kSkip
                 : HasRow(b, s)                        ? Action::kRotate
                 : view_.out_of_range == SIMDROPE_SKIP ? Action::kSkip
                 : several_axes || moves               ? Action::kRotate
                                                       : Action::kCopy;
    if (row.action != Action::kRotate) return row;
    static const uint8_t kOneAxis[SIMDROPE_MAX_PAIRS] = {};
    std::vector<double> positions = ids_->OfPairs(several_axes ? config_.axes.pair_axis : kOneAxis, pairs_, b, s);
    // On several axes the identity is a matter of each pair, as in ONNX Runtime's MRotaryEmbedding.
    std::vector<bool> turned;
    for (double& position : positions) {
      turned.push_back(HasRow(position));
      if (!turned.back()) position = 0;
    }
    row = table_->At(b, positions, static_cast<double>(view_.magnitude));
    for (size_t i = 0; i < turned.size(); ++i) {
      if (turned[i]) continue;
      row.cos[i] = 1;
      row.sin[i] = 0;
    }
    return row;
  }

  void DrawTensors() {
    constexpr Layout kInputLayouts[] = {Layout::kBshd,   Layout::kBhsd,     Layout::kPackedQkv, Layout::kPackedHeads,
                                        Layout::kPadded, Layout::kReversed, Layout::kSeqMajor,  Layout::kBroadcast};
    const Layout from = kInputLayouts[random_.Int(0, 7)], to = kOutputLayouts[random_.Int(0, 6)];
    const auto format = [&] { return kFormats[random_.Int(0, 2)]; };
    const int misalignment = static_cast<int>(random_.Int(0, 5));
    const auto make = [&](Layout layout) {
      const Format second = format();
      const Format first = format();
      return MakeTensors(layout, shape_, first, second, misalignment);
    };
    in_ = make(from);
    job_.in = in_.qkv;
    in_place_ = from != Layout::kBroadcast && random_.Chance(2);
    if (!in_place_) out_ = make(to);
    job_.out = in_place_ ? in_.qkv : out_.qkv;
    job_.SetOptions(options_);
  }

  std::vector<Buffer*> Buffers() { return BuffersOf(&in_, &out_); }

  simdrope::Status Run(const simdrope::Options& options) {
    if (source_ == Source::kPrepared) {
      const auto rows = (*rope_)->cos_sin(ids_->view(), shape_.batch, shape_.seq);
      return rows ? Apply(*rows, options) : rows.status();
    }
    return Apply(source_ == Source::kTable ? view_ : (*rope_)->stream(ids_->view()), options);
  }

  simdrope::Status Apply(const simdrope_cos_sin& rows, const simdrope::Options& options) {
    return in_place_ ? simdrope::apply(rows, in_.qkv, options) : simdrope::apply(rows, in_.qkv, out_.qkv, options);
  }

  std::string RunSlices() {
    simdrope::Options options = options_;
    options.slice_count = random_.Int(1, 7);
    std::vector<int64_t> order(static_cast<size_t>(options.slice_count));
    std::iota(order.begin(), order.end(), 0);
    if (random_.Chance(2)) std::reverse(order.begin(), order.end());
    for (const int64_t index : order) {
      options.slice_index = index;
      const simdrope::Status status = Run(options);
      if (!status) return "slice: " + status.message();
    }
    return "";
  }

  simdrope::Status RunParallel() {
    simdrope::Status status;
#if SIMDROPE_HAVE_TBB
    static tbb::task_arena arena(4);
    arena.execute([&] { status = Run(options_); });
#else
    status = Run(options_);
#endif
    return status;
  }

  Random random_;
  DrawFor purpose_;
  Shape shape_;
  simdrope::Config config_;
  simdrope::Options options_;
  Inputs inputs_ = Inputs::kTame;
  Source source_ = Source::kStreamed;
  int pairs_ = 1;
  bool large_ = false;
  bool in_place_ = false;
  bool must_fail_ = false;
  std::unique_ptr<Ids> ids_;
  std::optional<simdrope::Result<simdrope::Rope>> rope_;
  std::optional<DrawnTable> table_;
  simdrope::CosSinView view_;
  Tensors in_;
  Tensors out_;
  Job job_;
};

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_DRAW_H_
