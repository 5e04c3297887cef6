// Whole calls of the C ABI that mean something, against the double reference: every format, layout, slot map, source of
// rows and stage. Memory ends where a page without access begins; nothing but the output is written; slices and a plan
// give the same bytes; a refused call leaves all as it was. (fuzz_abi.cc: structs in which any field may be anything.)
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <simdrope/simdrope.hpp>
#include <vector>

#include "drawn.h"
#include "reference/job.h"

namespace {

using fuzz::Bytes;
using fuzz::Guarded;
using namespace simdrope::reference;
using simdrope::Format;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  __builtin_trap();
}

bool IsBlocks(simdrope_format format) { return format == SIMDROPE_Q8_0 || format == SIMDROPE_Q4_0; }
bool ComputesScales(simdrope_format format) { return format == SIMDROPE_I8 || format == SIMDROPE_U8; }
bool MayHaveScales(simdrope_format format) {
  return ComputesScales(format) || format == SIMDROPE_F8_E4M3 || format == SIMDROPE_F8_E5M2;
}

// Numbers for inputs: of either sign, within [1/16, 2], and some zeros.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed) {}
  double Next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    const auto bits = static_cast<uint32_t>(state_ >> 33);
    if (bits % 32 == 0) return 0;
    return ((bits & 64) != 0 ? -1 : 1) *
           static_cast<double>(static_cast<float>(0.0625 + (bits >> 7) * 0x1p-24 * 1.9375));
  }
  float Positive() { return static_cast<float>(std::fabs(Next()) + 0.25); }

 private:
  uint64_t state_;
};

// All memory of a call.
class Memory {
 public:
  char* Take(int64_t bytes) {
    all_.push_back(std::make_unique<Guarded>(static_cast<size_t>(bytes)));
    std::memset(all_.back()->data(), 0x5a, all_.back()->bytes());
    return all_.back()->data();
  }
  std::vector<std::vector<char>> Contents() const {
    std::vector<std::vector<char>> contents;
    for (const auto& part : all_) contents.emplace_back(part->data(), part->data() + part->bytes());
    return contents;
  }
  void Restore(const std::vector<std::vector<char>>& contents) {
    for (size_t i = 0; i < contents.size(); ++i) std::copy(contents[i].begin(), contents[i].end(), all_[i]->data());
  }
  // Puts what is there now at [begin, begin + bytes) into `contents`.
  void Copy(const void* begin, int64_t bytes, std::vector<std::vector<char>>* contents) const {
    for (size_t i = 0; i < all_.size(); ++i) {
      const ptrdiff_t at = static_cast<const char*>(begin) - all_[i]->data();
      if (at < 0 || at + bytes > static_cast<ptrdiff_t>(all_[i]->bytes())) continue;
      std::memcpy((*contents)[i].data() + at, begin, static_cast<size_t>(bytes));
    }
  }

 private:
  std::vector<std::unique_ptr<Guarded>> all_;
};

class Call {
 public:
  explicit Call(Bytes& in) : in_(in), numbers_(in.byte()) {
    batch_ = in.within(1, 3);
    seq_ = in.within(0, 4);
    head_dim_ = static_cast<int>(in.flag() ? 32 * in.within(1, 4) : 2 * in.within(1, 40));
  }

  void Check() {
    if (!DrawRope()) return;
    switch (in_.byte() % 3) {
      case 0: Stream(); break;
      case 1:
        if (!Prepare()) return;
        break;
      default: MakeTable(); break;
    }
    if (!DrawOperands()) return;
    DrawOptions();
    Run();
  }

  ~Call() { simdrope_rope_release(rope_); }

 private:
  // ------------------------------------------------------------------ rope and positions

  bool DrawRope() {
    config_ = simdrope::Config(head_dim_, Pick({1e2, 1e4, 5e5, 1e6}));
    if (in_.one_in(3)) config_.rotary_offset = static_cast<int32_t>(2 * in_.within(0, head_dim_ / 2 - 1));
    if (in_.one_in(3)) {
      config_.rotary_dim = static_cast<int32_t>(2 * in_.within(1, (head_dim_ - config_.rotary_offset) / 2));
    }
    config_.pairing = in_.flag() ? SIMDROPE_HALF : SIMDROPE_INTERLEAVED;
    config_.reversed = in_.one_in(8);
    if (in_.one_in(4)) config_.precision = static_cast<simdrope_precision>(in_.within(0, 3));
    simdrope_scaling& s = config_.scaling;
    s.type = static_cast<simdrope_scaling_type>(in_.one_in(2) ? in_.within(0, 5) : 0);
    s.factor = 4;
    s.original_max_position = 4096;
    s.low_freq_factor = 1;
    s.high_freq_factor = 4;
    s.seq_len = in_.flag() ? 10000 : 0;
    if (in_.one_in(4)) config_.xpos = {512, 20, false};
    if (in_.one_in(4)) config_.temperature = {0.1, 64, in_.flag() ? 1.0 : 0.0};
    if (in_.one_in(8)) config_.query_log_length = 50;
    const auto pairs =
        static_cast<int32_t>((config_.rotary_dim != 0 ? config_.rotary_dim : head_dim_ - config_.rotary_offset) / 2);
    if (in_.one_in(3)) {
      config_.axes.count = static_cast<int32_t>(in_.within(1, 3));
      config_.axes.layout = in_.flag() ? SIMDROPE_AXES_SECTIONS : SIMDROPE_AXES_EXPLICIT;
      config_.axes.sections[0] = pairs - 2 * (pairs / 3);
      config_.axes.sections[1] = config_.axes.sections[2] = pairs / 3;
      if (config_.axes.count == 2) config_.axes.sections[0] = pairs - pairs / 3;
      for (uint8_t& axis : pair_axis_) axis = static_cast<uint8_t>(in_.byte() % config_.axes.count);
      config_.axes.pair_axis = pair_axis_;
      config_.axes.pair_axis_count = pairs;
    }
    if (simdrope_rope_create(&config_, &rope_) != SIMDROPE_OK) return false;
    simdrope_rope_describe(rope_, &info_);
    return true;
  }

  // Positions that XPos and a temperature can take are small and not negative.
  void DrawPositions(bool integers, int64_t most) {
    const bool is_small = config_.xpos.scale_base != 0 || config_.temperature.beta != 0 ||
                          config_.query_log_length != 0 || most < 1000 || config_.precision != SIMDROPE_PRECISION_EXACT;
    simdrope_positions& p = positions_;
    p = SIMDROPE_POSITIONS_INIT;
    p.start = is_small ? in_.within(0, most < 1000 ? 1 : 200) : in_.wide() >> 24;
    if (in_.one_in(3)) {
      const bool is_packed = batch_ == 1 && seq_ > 0 && in_.flag();
      const int64_t sequences = is_packed ? 2 : batch_;
      p.offsets = Integers(sequences, &p.offsets_type, [&] { return in_.within(0, most < 1000 ? 1 : 100); });
      p.offsets_count = sequences;
      if (is_packed) {
        int64_t next = -1;
        p.cu_seqlens = Integers(3, &p.cu_seqlens_type, [&] { return ++next == 0 ? 0 : next == 1 ? seq_ / 2 : seq_; });
        p.sequences = 2;
      }
    }
    if (!in_.one_in(3)) return;
    p.ids_axes = static_cast<int32_t>(in_.within(1, 4));
    p.ids_batch = in_.flag() ? 1 : batch_;
    p.ids_seq = seq_;
    p.batch_stride = p.ids_batch == 1 ? 0 : seq_;
    p.axis_stride = p.ids_batch * seq_;
    p.padding = in_.one_in(3);
    const int64_t count = std::max<int64_t>(p.ids_axes * p.ids_batch * seq_, 1);
    const auto draw = [&] { return p.padding && in_.one_in(4) ? -1 : in_.within(0, most < 255 ? most : 255); };
    if (!integers && in_.one_in(4)) {
      auto* const ids = reinterpret_cast<double*>(memory_.Take(8 * count));
      for (int64_t i = 0; i < count; ++i) ids[i] = static_cast<double>(draw());
      for (int64_t i = 0; i < count; ++i) ids[i] += ids[i] > 0 ? 0.375 : 0;
      p.ids = ids;
      p.ids_type = SIMDROPE_INDEX_F64;
    } else {
      p.ids = Integers(count, &p.ids_type, draw);
    }
  }

  template <class Next>
  const void* Integers(int64_t count, simdrope_index_type* type, const Next& next) {
    *type = in_.flag() ? SIMDROPE_INDEX_I32 : SIMDROPE_INDEX_I64;
    const int64_t size = *type == SIMDROPE_INDEX_I32 ? 4 : 8;
    char* const data = memory_.Take(size * count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t value = next();
      std::memcpy(data + size * i, &value, static_cast<size_t>(size));
    }
    return data;
  }

  // ------------------------------------------------------------------ rows

  void Stream() {
    DrawPositions(false, INT64_MAX);
    cos_sin_.rope = rope_;
    cos_sin_.positions = positions_;
    job_.window = Window::Of(info_);
    job_.row = RowsOfRope(config_, FrequenciesOf(info_), positions_);
  }

  simdrope_table NewTable(int64_t batches, int64_t rows, int pairs) {
    simdrope_table t = SIMDROPE_TABLE_INIT;
    t.format = static_cast<simdrope_format>(in_.within(0, 2));
    t.batches = batches;
    t.rows = rows;
    t.columns = pairs;
    const int form = static_cast<int>(in_.within(0, 3));  // plain, doubled halves, doubled elements, cos | sin
    t.copies = form == 1 || form == 2 ? 2 : 1;
    t.copy_stride = form == 1 ? pairs : 1;
    t.column_stride = form == 2 ? 2 : 1;
    t.row_stride = (form == 0 ? 1 : 2) * pairs + in_.within(0, 3);
    t.batch_stride = rows * t.row_stride;
    const int64_t size = t.format == SIMDROPE_F32 ? 4 : 2;
    const int64_t bytes = size * (batches * t.batch_stride);
    t.cos = memory_.Take(bytes);
    t.sin = form == 3 ? static_cast<char*>(t.cos) + size * pairs : memory_.Take(bytes);
    return t;
  }

  static void* EntryOfTable(const simdrope_table& t, const void* data, int64_t b, int64_t row, int pair, int copy) {
    return static_cast<char*>(const_cast<void*>(data)) +
           simdrope::size_of(t.format,
                             b * t.batch_stride + row * t.row_stride + pair * t.column_stride + copy * t.copy_stride);
  }

  void CompareTable(const simdrope_table& t, bool key) {
    const RowOfToken row_of = RowsOfRope(config_, FrequenciesOf(info_), positions_);
    for (int64_t b = 0; b < t.batches; ++b) {
      for (int64_t s = 0; s < seq_; ++s) {
        const Row row = row_of(key, b, s);
        if (row.action == Action::kSkip) continue;
        for (int i = 0; i < info_.pairs; ++i) {
          const auto pair = static_cast<size_t>(i);
          for (const auto& [data, value] : {std::pair(t.cos, row.cos[pair]), std::pair(t.sin, row.sin[pair])}) {
            const double error = row.error * std::fabs(value) + (row.floor.empty() ? 0 : row.floor[pair]);
            for (int c = 0; c < t.copies; ++c) {
              const double got = Load(EntryOfTable(t, data, b, s, i, c), t.format);
              if (!IsWithin({value, error + kTiny, std::fabs(value)}, got, t.format)) Fail("a row is wrong");
            }
          }
        }
      }
    }
  }

  bool Prepare() {
    DrawPositions(false, INT64_MAX);
    const bool is_shared = positions_.offsets == nullptr && (positions_.ids == nullptr || positions_.ids_batch == 1);
    const int64_t batches = is_shared && in_.flag() ? 1 : batch_;
    const int64_t rows = seq_ + in_.within(0, 1);
    simdrope_cos_sin_output output = SIMDROPE_COS_SIN_OUTPUT_INIT;
    output.table = NewTable(batches, rows, info_.pairs);
    if (info_.distinct_keys) output.key_table = NewTable(batches, rows, info_.pairs);
    if (info_.scales_queries) output.query_scale = reinterpret_cast<float*>(memory_.Take(4 * batches * rows));
    if (positions_.padding) output.padding = reinterpret_cast<uint8_t*>(memory_.Take(batches * rows));
    const auto before = memory_.Contents();
    simdrope_options options = SIMDROPE_OPTIONS_INIT;
    options.threads = 1;
    const simdrope_status status = simdrope_compute_cos_sin(rope_, &positions_, batch_, seq_, &output, &options);
    if (status != SIMDROPE_OK) {
      if (memory_.Contents() != before) Fail("a refused compute_cos_sin has written");
      return false;
    }
    const auto whole = memory_.Contents();
    memory_.Restore(before);
    options.slice_count = in_.within(1, 5);
    for (options.slice_index = options.slice_count; options.slice_index-- > 0;) {
      if (simdrope_compute_cos_sin(rope_, &positions_, batch_, seq_, &output, &options) != SIMDROPE_OK) {
        Fail("a slice of compute_cos_sin is refused");
      }
    }
    if (memory_.Contents() != whole) Fail("slices of compute_cos_sin differ from the whole");
    CompareTable(output.table, false);
    if (info_.distinct_keys) CompareTable(output.key_table, true);

    cos_sin_.source = SIMDROPE_PREPARED;
    cos_sin_.rope = rope_;
    cos_sin_.table = output.table;
    cos_sin_.key_table = output.key_table;
    cos_sin_.query_scale = output.query_scale;
    cos_sin_.padding = output.padding;
    job_.window = Window::Of(info_);
    positions_ = SIMDROPE_POSITIONS_INIT;
    job_.row = [this](bool key, int64_t b, int64_t s) { return RowFromTable(key, b, s); };
    return true;
  }

  void MakeTable() {
    const int64_t rows = in_.within(1, 8);
    DrawPositions(true, in_.flag() ? rows - 1 : rows + 1);
    simdrope_cos_sin& c = cos_sin_;
    c.source = SIMDROPE_TABLE;
    c.positions = positions_;
    c.rotary_dim = config_.rotary_dim;
    c.rotary_offset = config_.rotary_offset;
    c.pairing = config_.pairing;
    c.magnitude = static_cast<float>(Pick({1, 1, 0.5, -1.5}));
    c.out_of_range = static_cast<simdrope_out_of_range>(in_.within(0, 2));
    const int64_t batches = in_.flag() ? 1 : batch_;
    c.table = NewTable(batches, rows, info_.pairs);
    FillTable(c.table);
    if (in_.one_in(4)) FillTable(c.key_table = NewTable(batches, rows, info_.pairs));
    if (in_.one_in(4)) {
      auto* const scales = reinterpret_cast<float*>(memory_.Take(4 * batches * rows));
      for (int64_t i = 0; i < batches * rows; ++i) scales[i] = numbers_.Positive();
      c.query_scale = scales;
    }
    if (in_.one_in(4)) {
      auto* const padding = reinterpret_cast<uint8_t*>(memory_.Take(batches * rows));
      for (int64_t i = 0; i < batches * rows; ++i) padding[i] = in_.one_in(4);
      c.padding = padding;
    }
    if (in_.one_in(4)) {
      for (uint8_t& axis : pair_axis_) axis = in_.byte() % 3;
      c.pair_axis = pair_axis_;
    }
    job_.window = Window::Of(info_);
    job_.row = [this](bool key, int64_t b, int64_t s) { return RowFromTable(key, b, s); };
  }

  void FillTable(const simdrope_table& t) {
    for (int64_t b = 0; b < t.batches; ++b) {
      for (int64_t r = 0; r < t.rows; ++r) {
        for (int i = 0; i < t.columns; ++i) {
          for (const void* data : {t.cos, t.sin}) {
            const double value = numbers_.Next() / 2;
            for (int c = 0; c < t.copies; ++c) Store(value, t.format, EntryOfTable(t, data, b, r, i, c));
          }
        }
      }
    }
  }

  // The rule that simdrope_cos_sin states, for PREPARED and TABLE.
  Row RowFromTable(bool key, int64_t b, int64_t s) const {
    const simdrope_cos_sin& c = cos_sin_;
    const simdrope_table& t = key && c.key_table.cos != nullptr ? c.key_table : c.table;
    Row row;
    row.action = Action::kSkip;
    if (IsPadding(positions_, b, s)) return row;
    const auto has_row = [&](int64_t position) { return position >= 0 && position < t.rows; };
    const int64_t entry = t.batches == 1 ? 0 : b;
    bool all_there = true;
    for (int a = 0, axes = AxesOfTable(); a < axes; ++a) {
      all_there = all_there && has_row(PositionOf(positions_, a, b, s).whole);
    }
    if (!all_there && c.out_of_range == SIMDROPE_SKIP) return row;
    const int64_t first = PositionOf(positions_, 0, b, s).whole;
    if (all_there && c.padding != nullptr && c.padding[entry * t.rows + first] != 0) return row;
    row.action = Action::kRotate;
    row.error = c.magnitude == 1 || c.source != SIMDROPE_TABLE ? 0 : kU;
    if (!key && c.query_scale != nullptr && has_row(first)) {
      row.query_scale = static_cast<double>(c.query_scale[entry * t.rows + first]);
    }
    const double magnitude = c.source == SIMDROPE_TABLE ? static_cast<double>(c.magnitude) : 1;
    for (int i = 0; i < info_.pairs; ++i) {
      const int64_t position = PositionOf(positions_, c.pair_axis != nullptr ? c.pair_axis[i] : 0, b, s).whole;
      const bool there = has_row(position);
      row.cos.push_back(there ? Load(EntryOfTable(t, t.cos, entry, position, i, 0), t.format) * magnitude : 1);
      row.sin.push_back(there ? Load(EntryOfTable(t, t.sin, entry, position, i, 0), t.format) * magnitude : 0);
      if (!there) row.error = 2 * kU;  // 1 / magnitude * magnitude
    }
    return row;
  }

  int AxesOfTable() const {
    int axes = 1;
    for (int i = 0; cos_sin_.pair_axis != nullptr && i < info_.pairs; ++i) {
      axes = std::max(axes, cos_sin_.pair_axis[i] + 1);
    }
    return axes;
  }

  // ------------------------------------------------------------------ operands

  simdrope_format DrawFormat() {
    const auto format = static_cast<simdrope_format>(in_.flag() ? in_.within(0, 2) : in_.within(0, 8));
    return IsBlocks(format) && head_dim_ % 32 != 0 ? SIMDROPE_BF16 : format;
  }

  // Dense in some order of its axes, or with gaps, or backwards along one.
  simdrope_tensor NewTensor(simdrope_format format, int64_t heads, bool is_input) {
    simdrope_tensor t = SIMDROPE_TENSOR_INIT;
    t.format = format;
    t.batch = batch_;
    t.seq = seq_;
    t.heads = heads;
    t.head_dim = head_dim_;
    if (in_.one_in(4)) AddSlots(&t, is_input);
    const int64_t unit = IsBlocks(format) ? 32 : 1;
    struct Axis {
      int64_t size;
      int64_t* stride;
    } axes[] = {{t.heads, &t.head_stride}, {t.seq, &t.seq_stride}, {t.batch, &t.batch_stride}};
    for (int i = static_cast<int>(in_.within(0, 5)); i > 0; --i) {
      std::next_permutation(axes, axes + 3, [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
    }
    int64_t reach = head_dim_, first = 0;
    for (const Axis& axis : axes) {
      *axis.stride = reach + (in_.one_in(4) ? unit * in_.within(1, 3) : 0);
      if (is_input && in_.one_in(16)) *axis.stride = 0;
      reach += std::max<int64_t>(axis.size - 1, 0) * *axis.stride;
      if (in_.one_in(8) && axis.size > 1) {
        first += (axis.size - 1) * *axis.stride;
        *axis.stride = -*axis.stride;
      }
    }
    const bool is_empty = t.batch * t.seq * t.heads == 0;
    t.data = memory_.Take(is_empty ? 0 : simdrope::size_of(format, reach));
    t.data = static_cast<char*>(t.data) + simdrope::size_of(format, first);
    if (MayHaveScales(format) && (ComputesScales(format) || in_.flag())) AddScales(&t, is_input);
    if (is_input && !is_empty) {
      ForHeads(t, [&](int64_t b, int64_t s, int64_t h) { Fill(t, b, s, h); });
    }
    return t;
  }

  void Fill(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h) {
    std::vector<double> values;
    for (int i = 0; i < head_dim_; ++i) values.push_back(numbers_.Next());
    Encode(values, HeadAt(t, b, s, h));
  }

  void AddScales(simdrope_tensor* t, bool is_input) {
    simdrope_scales& s = t->scales;
    const bool is_computed = ComputesScales(t->format);
    s.given = !is_input && is_computed && in_.one_in(3);
    s.element_stride = is_computed && !s.given ? 0 : in_.within(0, 1);
    s.head_stride = s.element_stride == 0 ? 1 : head_dim_;
    s.seq_stride = t->heads * s.head_stride + in_.within(0, 1);
    s.batch_stride = t->seq * s.seq_stride;
    const int64_t count = t->batch * s.batch_stride + 1;
    s.scale = reinterpret_cast<float*>(memory_.Take(4 * count));
    for (int64_t i = 0; i < count; ++i) s.scale[i] = numbers_.Positive() / (is_computed ? 64 : 1);
    if (t->format != SIMDROPE_U8) return;
    s.zero_point = reinterpret_cast<float*>(memory_.Take(4 * count));
    for (int64_t i = 0; i < count; ++i) s.zero_point[i] = static_cast<float>(in_.within(100, 150));
  }

  // Slots of a cache of a few blocks: each token has its own, or none.
  void AddSlots(simdrope_tensor* t, bool is_input) {
    simdrope_slots& slots = t->slots;
    slots = SIMDROPE_SLOTS_INIT;
    slots.batch = batch_;
    slots.seq = seq_;
    if (cos_sin_.source == SIMDROPE_STREAMED && positions_.ids == nullptr && positions_.cu_seqlens == nullptr &&
        positions_.offsets == nullptr && positions_.start >= 0 && positions_.start < 8 && in_.flag()) {
      slots.source = SIMDROPE_SLOTS_POSITIONS;
      t->seq = positions_.start + seq_ + in_.within(0, 1);
      job_.slot_positions = &positions_;
      return;
    }
    slots.source = SIMDROPE_SLOTS_IDS;
    t->batch = in_.within(1, 3);
    t->seq = in_.within(1, 4);
    slots.batch_stride = seq_;
    std::vector<int64_t> free;
    for (int64_t i = 0; i < t->batch * t->seq; ++i) free.push_back(i);
    const bool is_bad = in_.one_in(16) && may_be_bad_;
    slots.ids = Integers(std::max<int64_t>(batch_ * seq_, 1), &slots.type, [&]() -> int64_t {
      if (is_bad && in_.one_in(4)) return in_.flag() ? t->batch * t->seq : -2;
      if (free.empty() || in_.one_in(8)) return -1;
      const auto at = static_cast<size_t>(in_.byte()) % free.size();
      const int64_t slot = free[at];
      if (!is_input) free.erase(free.begin() + static_cast<ptrdiff_t>(at));
      return slot;
    });
    slots.reject_duplicates = in_.flag();
  }

  bool DrawOperands() {
    is_in_place_ = in_.one_in(3);
    bool any = false;
    for (auto tensor : {&simdrope_qkv::q, &simdrope_qkv::k, &simdrope_qkv::v}) {
      const int64_t heads = in_.within(0, 3);
      if (heads == 0) continue;
      any = true;
      const simdrope_format format = DrawFormat();
      // V in place may have nothing to be done to it; then its slots are not looked at.
      may_be_bad_ = !is_in_place_ || tensor != &simdrope_qkv::v;
      // In place the tensor is an output too: no strides of 0, and no slot twice.
      simdrope_tensor& from = job_.in.*tensor;
      simdrope_tensor& to = job_.out.*tensor;
      from = NewTensor(format, heads, !is_in_place_);
      if (is_in_place_) {
        from.scales.given = false;
        if (from.batch * from.seq > 0) {
          ForHeads(from, [&](int64_t b, int64_t s, int64_t h) { Fill(from, b, s, h); });
        }
        to = from;
      } else {
        to = NewTensor(in_.flag() ? format : DrawFormat(), heads, false);
      }
    }
    return any;
  }

  // ------------------------------------------------------------------ options

  void DrawStages(simdrope_stages* stages, int64_t heads) {
    stages->scale = static_cast<float>(Pick({1, 1, 1, 0.5, 1.75}));
    const auto width = [&] {
      int32_t w = 2 << in_.within(0, 6);
      while (w > 2 && head_dim_ % w != 0) w /= 2;
      return w;
    };
    if (in_.one_in(6)) stages->input_hadamard = width();
    if (in_.one_in(6)) stages->hadamard = width();
    if (!in_.one_in(3)) return;
    simdrope_norm& norm = stages->norm;
    norm.type = static_cast<simdrope_norm_type>(in_.within(1, 3));
    norm.eps = 1e-5f;
    norm.over_all_heads = in_.one_in(4);
    norm.after_rotation = in_.one_in(3);
    norm.round = in_.one_in(4);
    norm.weight_format = static_cast<simdrope_format>(in_.within(0, 2));
    norm.weight_offset = in_.one_in(3) ? 1.0f : 0.0f;
    norm.weight_head_stride = in_.flag() ? head_dim_ : 0;
    const int64_t count = norm.weight_head_stride != 0 || norm.over_all_heads ? heads * head_dim_ : head_dim_;
    // Not 0: whether a LAYER norm without bias adds one decides about the sign of a zero.
    const auto values = [&]() -> const void* {
      char* const data = memory_.Take(simdrope::size_of(norm.weight_format, count));
      for (int64_t i = 0; i < count; ++i) {
        Store(static_cast<double>(numbers_.Positive()), norm.weight_format,
              data + simdrope::size_of(norm.weight_format, i));
      }
      return data;
    };
    if (in_.flag()) norm.weight = values();
    if (norm.type == SIMDROPE_NORM_LAYER && in_.flag()) norm.bias = values();
  }

  void DrawOptions() {
    options_.threads = 1;
    options_.inverse = in_.one_in(4);
    options_.output_pairing = static_cast<simdrope_pairing>(in_.flag() ? 2 : in_.within(0, 1));
    DrawStages(&options_.q, job_.in.q.heads);
    DrawStages(&options_.k, job_.in.k.heads);
    DrawStages(&options_.v, job_.in.v.heads);
    job_.SetOptions(options_);
  }

  // ------------------------------------------------------------------ the call

  struct Expected {
    Operand operand;
    int64_t b, s;
    Token token;
  };

  simdrope_status Apply() {
    return simdrope_apply(&cos_sin_, &job_.in, is_in_place_ && in_place_by_null_ ? nullptr : &job_.out, &options_);
  }

  void Run() {
    in_place_by_null_ = in_.flag();
    const auto before = memory_.Contents();
    std::vector<Expected> all;
    const simdrope_status status = Apply();
    auto after = memory_.Contents();
    simdrope_plan* plan = nullptr;
    memory_.Restore(before);
    const simdrope_status planned = simdrope_plan_create(&cos_sin_, &job_.in, &job_.out, &options_, &plan);
    if (memory_.Contents() != before) Fail("making a plan has written");
    if (status != SIMDROPE_OK) {
      if (simdrope_last_error()[0] == '\0') Fail("no message");
      if (after != before) Fail("a refused call has written");
      simdrope_run run;
      if (planned == SIMDROPE_OK) {
        simdrope_plan_pointers(plan, &run);
        if (simdrope_plan_run(plan, &run) == SIMDROPE_OK) Fail("a plan runs what apply refuses");
        if (memory_.Contents() != before) Fail("a refused run has written");
        simdrope_plan_release(plan);
      }
      return;
    }
    if (planned != SIMDROPE_OK) Fail("a call that apply takes has no plan");
    simdrope_run run;
    simdrope_plan_pointers(plan, &run);
    if (simdrope_plan_run(plan, &run) != SIMDROPE_OK) Fail("a plan refuses what apply takes");
    if (memory_.Contents() != after) Fail("a plan differs from apply");
    simdrope_plan_release(plan);

    memory_.Restore(before);
    options_.slice_count = in_.within(1, 7);
    for (options_.slice_index = options_.slice_count; options_.slice_index-- > 0;) {
      if (Apply() != SIMDROPE_OK) Fail("a slice is refused");
    }
    if (memory_.Contents() != after) Fail("slices differ from the whole");

    memory_.Restore(before);
    for (const Operand operand : kOperands) {
      if (!job_.has(operand)) continue;
      ForStep(job_, operand, [&](int64_t b, int64_t s) {
        all.push_back({operand, b, s, ExpectedToken(job_, operand, b, s)});
      });
    }
    memory_.Restore(after);
    Comparison comparison;
    auto unwritten = before;
    for (const Expected& e : all) {
      CompareToken(job_, e.operand, e.b, e.s, e.token, &comparison);
      const simdrope_tensor& out = job_.output(e.operand);
      if (e.token.empty()) continue;
      const Entry to = EntryOf(out, job_.slot_positions, e.b, e.s);
      for (int64_t h = 0; h < out.heads; ++h) {
        const StoredHead head = HeadAt(out, to.b, to.s, h);
        memory_.Copy(head.data, head.bytes(), &unwritten);
        if (head.scale_is_given) continue;
        memory_.Copy(head.scale, sizeof(float), &unwritten);
        if (head.zero_point != nullptr) memory_.Copy(head.zero_point, sizeof(float), &unwritten);
      }
    }
    if (!comparison.ok()) Fail(comparison.first_wrong.c_str());
    if (unwritten != after) Fail("more than the output is written");
  }

  double Pick(std::initializer_list<double> values) { return values.begin()[in_.byte() % values.size()]; }

  Bytes& in_;
  Numbers numbers_;
  Memory memory_;
  int64_t batch_, seq_;
  int head_dim_;
  simdrope::Config config_{2};
  uint8_t pair_axis_[SIMDROPE_MAX_PAIRS] = {};
  simdrope_rope* rope_ = nullptr;
  simdrope_rope_info info_;
  simdrope_positions positions_ = SIMDROPE_POSITIONS_INIT;
  simdrope_cos_sin cos_sin_ = SIMDROPE_COS_SIN_INIT;
  simdrope_options options_ = SIMDROPE_OPTIONS_INIT;
  Job job_;
  bool is_in_place_ = false, in_place_by_null_ = false, may_be_bad_ = true;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes in(data, size);
  Call(in).Check();
  return 0;
}
