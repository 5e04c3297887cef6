// simdrope in C++17, over the C ABI of simdrope.h: names, defaults and ownership, no code of its own
// and no exceptions. Contracts stand with the C declarations.
//
//   Config -> Rope -> (Positions) -> CosSin -> apply(Q, K)
#ifndef SIMDROPE_SIMDROPE_HPP_
#define SIMDROPE_SIMDROPE_HPP_

#include <simdrope/simdrope.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace simdrope {

using Format = simdrope_format;
inline constexpr Format f32 = SIMDROPE_F32;
inline constexpr Format f16 = SIMDROPE_F16;
inline constexpr Format bf16 = SIMDROPE_BF16;
inline constexpr Format f8_e4m3 = SIMDROPE_F8_E4M3;
inline constexpr Format f8_e5m2 = SIMDROPE_F8_E5M2;
inline constexpr Format i8 = SIMDROPE_I8;
inline constexpr Format u8 = SIMDROPE_U8;
inline constexpr Format q8_0 = SIMDROPE_Q8_0;
inline constexpr Format q4_0 = SIMDROPE_Q4_0;

using Pairing = simdrope_pairing;
inline constexpr Pairing half = SIMDROPE_HALF;
inline constexpr Pairing interleaved = SIMDROPE_INTERLEAVED;

// What a call came to: a code, and on failure a message that names the argument and its values.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(simdrope_status code, std::string message) : code_(code), message_(std::move(message)) {}
  // Of the C call just made on this thread.
  static Status of(simdrope_status code) {
    return code == SIMDROPE_OK ? Status() : Status(code, simdrope_last_error());
  }

  bool ok() const { return code_ == SIMDROPE_OK; }
  explicit operator bool() const { return ok(); }
  simdrope_status code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  simdrope_status code_ = SIMDROPE_OK;
  std::string message_;
};

// A T, or why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return status_.ok(); }
  explicit operator bool() const { return ok(); }
  const Status& status() const { return status_; }
  // Only when ok().
  T& operator*() & { return value_; }
  const T& operator*() const& { return value_; }
  T&& operator*() && { return std::move(value_); }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }

 private:
  T value_{};
  Status status_;
};

// A Config owns the lists given to its setters; copies have lists of their own. (A list whose pointer is set by hand in
// scaling or axes stays the caller's, in copies too. So does one that came with scaling or axes of another Config.)
struct Config : simdrope_config {
  Config() : simdrope_config() { simdrope_config_init(this); }
  explicit Config(int head_dim, double base = 10000.0) : Config() {
    this->head_dim = head_dim;
    theta = base;
  }
  Config(const Config& other) : simdrope_config(other) { own_lists_of(other); }
  Config& operator=(const Config& other) {
    if (this == &other) return *this;
    static_cast<simdrope_config&>(*this) = other;
    own_lists_of(other);
    return *this;
  }

  // A value for each pair: LONGROPE's short list, FREQ_FACTORS' divisors, EXPLICIT's inv_freq.
  void set_factors(std::vector<double> values) {
    factors_ = std::move(values);
    scaling.factors = first_of(factors_);
    count_factors();
  }
  // LONGROPE's long list.
  void set_long_factors(std::vector<double> values) {
    long_factors_ = std::move(values);
    scaling.long_factors = first_of(long_factors_);
    count_factors();
  }
  // The axis of each pair, for SIMDROPE_AXES_EXPLICIT.
  void set_pair_axis(std::vector<uint8_t> values) {
    pair_axis_ = std::move(values);
    axes.pair_axis = first_of(pair_axis_);
    axes.pair_axis_count = static_cast<int32_t>(pair_axis_.size());
  }

 private:
  template <class T>
  static const T* first_of(const std::vector<T>& list) {
    return list.empty() ? nullptr : list.data();
  }
  template <class T>
  static void own_list(const std::vector<T>& others, std::vector<T>& own, const T*& pointer) {
    const bool owned = pointer == first_of(others);
    own = owned ? others : std::vector<T>();
    if (owned) pointer = first_of(own);
  }
  void own_lists_of(const Config& other) {
    own_list(other.factors_, factors_, scaling.factors);
    own_list(other.long_factors_, long_factors_, scaling.long_factors);
    own_list(other.pair_axis_, pair_axis_, axes.pair_axis);
  }
  // Lists of two lengths count as the shorter one, so that nothing beyond a list's end is read; a Rope refuses them.
  void count_factors() {
    const size_t a = factors_.size(), b = long_factors_.size();
    scaling.factor_count = static_cast<int32_t>(a == 0 || (b != 0 && b < a) ? b : a);
  }

  std::vector<double> factors_, long_factors_;
  std::vector<uint8_t> pair_axis_;
};

struct Options : simdrope_options {
  Options() : simdrope_options(SIMDROPE_OPTIONS_INIT) {}
};

// RMS norm over each head; `weight` is [head_dim], `offset` 1 for Gemma.
inline simdrope_norm rms_norm(const void* weight, Format format = f32, float eps = 1e-6f, float offset = 0.0f) {
  simdrope_norm norm = SIMDROPE_NORM_INIT;
  norm.type = SIMDROPE_NORM_RMS;
  norm.weight = weight;
  norm.weight_format = format;
  norm.eps = eps;
  norm.weight_offset = offset;
  return norm;
}

// ---------------------------------------------------------------------------- Tensor

struct Tensor : simdrope_tensor {
  Tensor() : simdrope_tensor(SIMDROPE_TENSOR_INIT) {}
  Tensor(const simdrope_tensor& tensor) : simdrope_tensor(tensor) {}
  Tensor(void* data, Format format, int64_t batch, int64_t seq, int64_t heads, int64_t head_dim, int64_t batch_stride,
         int64_t seq_stride, int64_t head_stride)
      : Tensor() {
    this->data = data;
    this->format = format;
    this->batch = batch;
    this->seq = seq;
    this->heads = heads;
    this->head_dim = head_dim;
    this->batch_stride = batch_stride;
    this->seq_stride = seq_stride;
    this->head_stride = head_stride;
  }
};

// Contiguous [batch, seq, heads, head_dim]. Also ONNX's [batch, seq, heads * head_dim].
inline Tensor bshd(void* data, Format format, int64_t batch, int64_t seq, int64_t heads, int64_t head_dim) {
  return {data, format, batch, seq, heads, head_dim, seq * heads * head_dim, heads * head_dim, head_dim};
}
// Contiguous [batch, heads, seq, head_dim].
inline Tensor bhsd(void* data, Format format, int64_t batch, int64_t seq, int64_t heads, int64_t head_dim) {
  return {data, format, batch, seq, heads, head_dim, seq * heads * head_dim, head_dim, seq * head_dim};
}
// Contiguous [tokens, heads, head_dim]: packed sequences, or vLLM's [tokens, hidden].
inline Tensor thd(void* data, Format format, int64_t tokens, int64_t heads, int64_t head_dim) {
  return bshd(data, format, 1, tokens, heads, head_dim);
}
inline Tensor bshd(float* data, int64_t batch, int64_t seq, int64_t heads, int64_t head_dim) {
  return bshd(data, f32, batch, seq, heads, head_dim);
}
inline Tensor bhsd(float* data, int64_t batch, int64_t seq, int64_t heads, int64_t head_dim) {
  return bhsd(data, f32, batch, seq, heads, head_dim);
}
inline Tensor thd(float* data, int64_t tokens, int64_t heads, int64_t head_dim) {
  return thd(data, f32, tokens, heads, head_dim);
}

// Bytes of `count` elements; of q8_0 and q4_0, count is a multiple of 32.
inline int64_t size_of(Format format, int64_t count = 1) {
  switch (format) {
    case f32: return count * 4;
    case f16:
    case bf16: return count * 2;
    case q8_0: return count / 32 * 34;
    case q4_0: return count / 32 * 18;
    default: return count;
  }
}

// `count` heads of `tensor` from head `first` on, with their scales.
inline Tensor heads(Tensor tensor, int64_t first, int64_t count) {
  tensor.data = static_cast<char*>(tensor.data) + size_of(tensor.format, first * tensor.head_stride);
  if (tensor.scales.scale != nullptr) tensor.scales.scale += first * tensor.scales.head_stride;
  if (tensor.scales.zero_point != nullptr) tensor.scales.zero_point += first * tensor.scales.head_stride;
  tensor.heads = count;
  return tensor;
}

// ---- caches: the tensor is the cache, its slots say where each token of the step goes (simdrope_slots)

// `cache` with token (b, s) in slot ids[b * seq + s]; Int is int32_t or int64_t.
template <class Int>
Tensor with_slots(Tensor cache, const Int* ids, int64_t batch, int64_t seq, bool reject_duplicates = false) {
  cache.slots.source = SIMDROPE_SLOTS_IDS;
  cache.slots.ids = ids;
  cache.slots.type = sizeof(Int) == 4 ? SIMDROPE_INDEX_I32 : SIMDROPE_INDEX_I64;
  cache.slots.batch = batch;
  cache.slots.seq = seq;
  cache.slots.batch_stride = seq;
  cache.slots.seq_stride = 1;
  cache.slots.reject_duplicates = reject_duplicates;
  return cache;
}
// `cache` ([batch, heads, S_max, D], say) with token (b, s) at row `position` of entry b.
inline Tensor with_slots_by_position(Tensor cache, int64_t seq) {
  cache.slots.source = SIMDROPE_SLOTS_POSITIONS;
  cache.slots.batch = cache.batch;
  cache.slots.seq = seq;
  return cache;
}
// `tensor` with one scale for all of it (f8, or i8 with a static scale).
inline Tensor with_scale(Tensor tensor, const float* scale) {
  tensor.scales.scale = const_cast<float*>(scale);
  tensor.scales.given = true;
  return tensor;
}
// `tensor` with a scale, and for u8 a zero point, for each token and head: contiguous [batch, seq, heads].
inline Tensor with_scales(Tensor tensor, float* scale, float* zero_point = nullptr) {
  tensor.scales.scale = scale;
  tensor.scales.zero_point = zero_point;
  tensor.scales.batch_stride = tensor.seq * tensor.heads;
  tensor.scales.seq_stride = tensor.heads;
  tensor.scales.head_stride = 1;
  return tensor;
}

struct QKV : simdrope_qkv {
  QKV() : simdrope_qkv(SIMDROPE_QKV_INIT) {}
  QKV(const Tensor& q) : simdrope_qkv{q, SIMDROPE_TENSOR_INIT, SIMDROPE_TENSOR_INIT} {}
  QKV(const Tensor& q, const Tensor& k) : simdrope_qkv{q, k, SIMDROPE_TENSOR_INIT} {}
  QKV(const Tensor& q, const Tensor& k, const Tensor& v) : simdrope_qkv{q, k, v} {}
};

// Packed heads of any layout: the first q_heads are Q, then k_heads of K, then as many of V.
// [B, S, 3, H, D] is packed_qkv(bshd(data, format, B, S, 3 * H, D), H, H).
inline QKV packed_qkv(const Tensor& all, int64_t q_heads, int64_t k_heads) {
  return {heads(all, 0, q_heads), heads(all, q_heads, k_heads), heads(all, q_heads + k_heads, k_heads)};
}
// Packed K and V: [B, S, 2, H, D] is packed_kv(bshd(data, format, B, S, 2 * H, D)).
inline QKV packed_kv(const Tensor& all) {
  return {Tensor(), heads(all, 0, all.heads / 2), heads(all, all.heads / 2, all.heads / 2)};
}

// ---------------------------------------------------------------------------- Positions

inline constexpr simdrope_index_type index_type(const int32_t*) { return SIMDROPE_INDEX_I32; }
inline constexpr simdrope_index_type index_type(const int64_t*) { return SIMDROPE_INDEX_I64; }
inline constexpr simdrope_index_type index_type(const float*) { return SIMDROPE_INDEX_F32; }
inline constexpr simdrope_index_type index_type(const double*) { return SIMDROPE_INDEX_F64; }

struct Positions : simdrope_positions {
  // start, start + 1, ... in every sequence.
  Positions(int64_t start = 0) : simdrope_positions(SIMDROPE_POSITIONS_INIT) { this->start = start; }

  // Sequence b begins at offsets[b]; Int is int32_t or int64_t.
  template <class Int>
  static Positions per_sequence(const Int* offsets, int64_t count) {
    Positions p;
    p.offsets = offsets;
    p.offsets_type = index_type(offsets);
    p.offsets_count = count;
    return p;
  }
  // ids [seq], shared by the batch; T is int32_t, int64_t, float or double.
  template <class T>
  static Positions per_token(const T* ids, int64_t seq) {
    return per_token(ids, 1, 1, seq);
  }
  // ids [batch, seq].
  template <class T>
  static Positions per_token(const T* ids, int64_t batch, int64_t seq) {
    return per_token(ids, 1, batch, seq);
  }
  // ids [axes, batch, seq].
  template <class T>
  static Positions per_token(const T* ids, int axes, int64_t batch, int64_t seq) {
    Positions p;
    p.ids = ids;
    p.ids_type = index_type(ids);
    p.ids_axes = axes;
    p.ids_batch = batch;
    p.ids_seq = seq;
    p.axis_stride = batch * seq;
    p.batch_stride = batch == 1 ? 0 : seq;
    return p;
  }
  // The same position for every token: position[0 .. axes). A shift of cached keys, say.
  template <class T>
  static Positions constant(const T* position, int axes = 1) {
    Positions p = per_token(position, axes, 1, 1);
    p.seq_stride = 0;
    return p;
  }
  // Packed sequences: positions restart at each boundary in cu_seqlens [sequences + 1].
  template <class Int>
  static Positions packed(const Int* cu_seqlens, int64_t sequences) {
    Positions p;
    p.cu_seqlens = cu_seqlens;
    p.cu_seqlens_type = index_type(cu_seqlens);
    p.sequences = sequences;
    return p;
  }
  // Packed sequences, sequence b beginning at offsets[b].
  template <class Int, class Offset>
  static Positions packed(const Int* cu_seqlens, int64_t sequences, const Offset* offsets) {
    Positions p = packed(cu_seqlens, sequences);
    p.offsets = offsets;
    p.offsets_type = index_type(offsets);
    p.offsets_count = sequences;
    return p;
  }
};

// ---------------------------------------------------------------------------- Tables

struct Table : simdrope_table {
  Table() : simdrope_table(SIMDROPE_TABLE_INIT) {}
  // cos and sin of [rows, columns], column i being pair i.
  Table(const void* cos, const void* sin, Format format, int64_t rows, int columns) : Table() {
    this->cos = const_cast<void*>(cos);
    this->sin = const_cast<void*>(sin);
    this->format = format;
    this->rows = rows;
    this->columns = columns;
    row_stride = columns;
  }
  Table(const float* cos, const float* sin, int64_t rows, int columns) : Table(cos, sin, f32, rows, columns) {}

  // [rows, 2 * pairs], each value twice: c0 c1 ... c0 c1 ... (Hugging Face).
  static Table doubled_halves(const void* cos, const void* sin, Format format, int64_t rows, int pairs) {
    Table t(cos, sin, format, rows, pairs);
    t.row_stride = 2 * pairs;
    t.copies = 2;
    t.copy_stride = pairs;
    return t;
  }
  // [rows, 2 * pairs], each value twice: c0 c0 c1 c1 ...
  static Table doubled_elements(const void* cos, const void* sin, Format format, int64_t rows, int pairs) {
    Table t(cos, sin, format, rows, pairs);
    t.row_stride = 2 * pairs;
    t.column_stride = 2;
    t.copies = 2;
    t.copy_stride = 1;
    return t;
  }
  // [rows, 2 * pairs]: cos | sin in one row (vLLM, nano-vllm), or sin | cos.
  static Table cos_sin_rows(const void* data, Format format, int64_t rows, int pairs, bool sin_first = false) {
    const char* first = static_cast<const char*>(data);
    const char* second = first + pairs * size_of(format);
    Table t(sin_first ? second : first, sin_first ? first : second, format, rows, pairs);
    t.row_stride = 2 * pairs;
    return t;
  }
  // [rows, pairs, 2]: complex numbers cos + i sin (Meta's freqs_cis).
  static Table complex_rows(const void* data, Format format, int64_t rows, int pairs) {
    Table t(data, static_cast<const char*>(data) + size_of(format), format, rows, pairs);
    t.row_stride = 2 * pairs;
    t.column_stride = 2;
    return t;
  }
  // The same form with rows for each of `count` heads, or groups of heads: [rows, count, columns]. `cos` and `sin`
  // point to the first head's first row.
  Table per_head(int64_t count) const {
    Table t = *this;
    t.heads = count;
    t.head_stride = row_stride;
    t.row_stride = count * row_stride;
    return t;
  }
  // The same form with one table of `rows` rows for each of `count` batch entries, one after another.
  Table per_batch(int64_t count) const {
    Table t = *this;
    t.batches = count;
    t.batch_stride = rows * row_stride;
    return t;
  }
};

// A view: where the row of each token comes from. Tables are looked up by `positions`.
struct CosSinView : simdrope_cos_sin {
  CosSinView() : simdrope_cos_sin(SIMDROPE_COS_SIN_INIT) {}
  explicit CosSinView(const simdrope_table& table, Pairing pairing = half, const Positions& positions = {})
      : CosSinView() {
    source = SIMDROPE_TABLE;
    this->table = table;
    this->pairing = pairing;
    this->positions = positions;
  }
};

// Where simdrope_compute_cos_sin writes.
struct CosSinOutput : simdrope_cos_sin_output {
  CosSinOutput() : simdrope_cos_sin_output(SIMDROPE_COS_SIN_OUTPUT_INIT) {}
  explicit CosSinOutput(const simdrope_table& table) : CosSinOutput() { this->table = table; }
};

// Owned rows for the tokens of one step: computed once, shared by all layers and threads.
class CosSin {
 public:
  CosSin() = default;
  CosSin(CosSin&&) = default;
  CosSin& operator=(CosSin&&) = default;

  const simdrope_cos_sin& view() const { return view_; }
  operator const simdrope_cos_sin&() const { return view_; }

 private:
  friend class Rope;
  CosSinView view_;
  std::shared_ptr<simdrope_rope> rope_;
  std::vector<float> values_;
  std::vector<uint8_t> padding_;
};

// ---------------------------------------------------------------------------- Rope

class Rope {
 public:
  Rope() = default;
  static Result<Rope> create(const simdrope_config& config) {
    return adopt([&](simdrope_rope** handle) { return simdrope_rope_create(&config, handle); });
  }
  // The same for the same Config.
  static Result<Rope> shared(const simdrope_config& config) {
    return adopt([&](simdrope_rope** handle) { return simdrope_get_rope(&config, handle); });
  }
  // Turns keys rotated by this Rope at p into keys rotated at p + d; d is what positions say.
  Result<Rope> shift(uint64_t fingerprint = 0) const {
    return adopt(
        [&](simdrope_rope** handle) { return simdrope_rope_create_rerotation(nullptr, get(), fingerprint, handle); });
  }
  // Turns keys rotated by this Rope into keys rotated by `to`, at the same positions.
  Result<Rope> rerotation(const Rope& to, uint64_t fingerprint = 0) const {
    return adopt(
        [&](simdrope_rope** handle) { return simdrope_rope_create_rerotation(get(), to.get(), fingerprint, handle); });
  }

  // To store beside a cache; shift and rerotation refuse another one.
  uint64_t fingerprint() const { return simdrope_rope_fingerprint(get()); }

  explicit operator bool() const { return handle_ != nullptr; }
  const simdrope_rope* get() const { return handle_.get(); }
  simdrope_rope_info info() const {
    simdrope_rope_info info{};
    simdrope_rope_describe(get(), &info);
    return info;
  }

  // Rows computed inside apply. The Rope and what `positions` points at must outlive the view.
  CosSinView stream(const Positions& positions = {}) const {
    CosSinView view;
    view.rope = get();
    view.positions = positions;
    return view;
  }

  // Rows computed now, for `batch` sequences of `seq` tokens.
  Result<CosSin> cos_sin(const Positions& positions, int64_t batch, int64_t seq, const Options& options = {}) const {
    const simdrope_rope_info about = info();
    if (batch < 0 || seq < 0 || about.pairs == 0) {
      return Status(SIMDROPE_INVALID_ARGUMENT, "cos_sin wants a Rope, batch >= 0 and seq >= 0; batch = " +
                                                   std::to_string(batch) + ", seq = " + std::to_string(seq));
    }
    const bool per_batch = positions.offsets != nullptr || (positions.ids != nullptr && positions.ids_batch > 1);
    const int64_t batches = per_batch && positions.cu_seqlens == nullptr ? batch : 1;
    const size_t rows = static_cast<size_t>(batches) * static_cast<size_t>(seq);
    const size_t table_size = rows * static_cast<size_t>(about.pairs);
    const size_t tables = about.distinct_keys ? 4 : 2;

    CosSin result;
    result.rope_ = handle_;
    constexpr size_t kAlignment = 64;  // a cache line, so that no vector crosses one
    result.values_.resize(table_size * tables + (about.scales_queries ? rows : 0) + kAlignment / sizeof(float));
    const size_t past = reinterpret_cast<uintptr_t>(result.values_.data()) % kAlignment;
    float* values = result.values_.data() + (kAlignment - past) / sizeof(float);
    const auto table_at = [&](size_t index) {
      float* cos = values + index * table_size;
      return Table(cos, cos + table_size, seq, about.pairs).per_batch(batches);
    };
    CosSinOutput output(table_at(0));
    if (about.distinct_keys) output.key_table = table_at(2);
    if (about.scales_queries) output.query_scale = values + table_size * tables;
    if (positions.padding) {
      result.padding_.resize(rows);
      output.padding = result.padding_.data();
    }
    const simdrope_status code = simdrope_compute_cos_sin(get(), &positions, batch, seq, &output, &options);
    if (code != SIMDROPE_OK) return Status::of(code);
    simdrope_cos_sin& view = result.view_;
    view.source = SIMDROPE_PREPARED;
    view.rope = get();
    view.table = output.table;
    view.key_table = output.key_table;
    view.query_scale = output.query_scale;
    view.padding = output.padding;
    return result;
  }

 private:
  template <class Make>
  static Result<Rope> adopt(const Make& make) {
    simdrope_rope* handle = nullptr;
    const simdrope_status code = make(&handle);
    if (code != SIMDROPE_OK) return Status::of(code);
    Rope rope;
    rope.handle_.reset(handle, simdrope_rope_release);
    return rope;
  }
  std::shared_ptr<simdrope_rope> handle_;
};

inline Result<Rope> get_rope(const simdrope_config& config) { return Rope::shared(config); }

// A dense table that grows on demand. Move-only.
class CosSinCache {
 public:
  CosSinCache() = default;
  static Result<CosSinCache> create(const Rope& rope, Format format = f32) {
    simdrope_cache* handle = nullptr;
    const simdrope_status code = simdrope_cache_create(rope.get(), format, &handle);
    if (code != SIMDROPE_OK) return Status::of(code);
    CosSinCache cache;
    cache.handle_.reset(handle);
    return cache;
  }
  // At least `count` rows, to be looked up by `positions`.
  Result<CosSinView> rows(int64_t count, const Positions& positions = {}) const {
    CosSinView view;
    const simdrope_status code = simdrope_cache_rows(handle_.get(), count, &view);
    if (code != SIMDROPE_OK) return Status::of(code);
    view.positions = positions;
    return view;
  }

 private:
  struct Release {
    void operator()(simdrope_cache* cache) const { simdrope_cache_release(cache); }
  };
  std::unique_ptr<simdrope_cache, Release> handle_;
};

// ---------------------------------------------------------------------------- apply

inline Status rotate_half(const Tensor& in, const Tensor& out, Pairing pairing = half) {
  return Status::of(simdrope_rotate_half(&in, &out, pairing));
}

inline Status apply(const simdrope_cos_sin& cos_sin, const QKV& in_place, const Options& options = {}) {
  return Status::of(simdrope_apply(&cos_sin, &in_place, nullptr, &options));
}
inline Status apply(const simdrope_cos_sin& cos_sin, const QKV& in, const QKV& out, const Options& options = {}) {
  return Status::of(simdrope_apply(&cos_sin, &in, &out, &options));
}
// Q alone, or Q and K, in place.
inline Status apply(const simdrope_cos_sin& cos_sin, const Tensor& q, const Options& options = {}) {
  return apply(cos_sin, QKV(q), options);
}
inline Status apply(const simdrope_cos_sin& cos_sin, const Tensor& q, const Tensor& k, const Options& options = {}) {
  return apply(cos_sin, QKV(q, k), options);
}

// A call checked once and run many times (simdrope_plan). Move-only.
class Plan {
 public:
  Plan() = default;
  // What cos_sin names (and the weights of norms that options name) must outlive the plan.
  static Result<Plan> create(const simdrope_cos_sin& cos_sin, const QKV& in, const QKV& out,
                             const Options& options = {}) {
    simdrope_plan* handle = nullptr;
    const simdrope_status code = simdrope_plan_create(&cos_sin, &in, &out, &options, &handle);
    if (code != SIMDROPE_OK) return Status::of(code);
    Plan plan;
    plan.handle_.reset(handle);
    return plan;
  }
  static Result<Plan> create(const simdrope_cos_sin& cos_sin, const QKV& in_place, const Options& options = {}) {
    return create(cos_sin, in_place, in_place, options);
  }
  // What the plan was made with: change what differs, then run.
  simdrope_run pointers() const {
    simdrope_run run{};
    simdrope_plan_pointers(handle_.get(), &run);
    return run;
  }
  Status run(const simdrope_run& run) const { return Status::of(simdrope_plan_run(handle_.get(), &run)); }

 private:
  struct Release {
    void operator()(simdrope_plan* plan) const { simdrope_plan_release(plan); }
  };
  std::unique_ptr<simdrope_plan, Release> handle_;
};

}  // namespace simdrope

#endif  // SIMDROPE_SIMDROPE_HPP_
