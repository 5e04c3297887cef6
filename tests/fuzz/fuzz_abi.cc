// The C ABI on drawn structs: every field may be anything. What a pointer promises is kept (memory of the sizes and
// strides given); everything else must be checked. Outputs lie at the end of a page with no access after it, are
// untouched where a call fails, and finite input gives finite output.
#include <simdrope/simdrope.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "drawn.h"

namespace {

using fuzz::Bytes;
using fuzz::Guarded;

constexpr int64_t kElements = 4096;

// What a config's lists point to. A count beyond these must be refused unread.
struct Lists {
  double factors[SIMDROPE_MAX_PAIRS], long_factors[SIMDROPE_MAX_PAIRS];
  uint8_t pair_axis[SIMDROPE_MAX_PAIRS];
};

simdrope_config DrawConfig(Bytes& in, Lists& lists) {
  simdrope_config c;
  simdrope_config_init(&c);
  c.head_dim = static_cast<int32_t>(in.flag() ? 8 * (1 + in.byte() % 16) : in.count(200));
  if (in.flag()) c.rotary_dim = static_cast<int32_t>(in.count(130));
  if (in.flag()) c.rotary_offset = static_cast<int32_t>(in.count(64));
  if (in.flag()) c.split = static_cast<int32_t>(in.count(64));
  c.pairing = in.choice<simdrope_pairing>(2);
  c.precision = in.choice<simdrope_precision>(4);
  if (in.flag()) c.theta = in.real();
  if (in.flag()) {
    simdrope_scaling& s = c.scaling;
    s.type = in.choice<simdrope_scaling_type>(10);
    s.factor = in.real();
    s.attention_factor = in.flag() ? in.real() : 0;
    s.original_max_position = in.multiple(32);
    s.max_position = in.flag() ? in.multiple(64) : 0;
    s.seq_len = in.flag() ? in.multiple(64) : 0;
    s.low_freq_factor = in.real();
    s.high_freq_factor = in.real();
    s.beta_fast = in.real();
    s.beta_slow = in.real();
    s.truncate = in.flag();
    s.mscale = in.flag() ? in.real() : 0;
    s.mscale_all_dim = in.flag() ? in.real() : 0;
    s.proportion = in.real();
    s.factor_count =
        static_cast<int32_t>(in.flag() ? (c.rotary_dim != 0 ? c.rotary_dim : c.head_dim) / 2 : in.count(64));
    for (int i = 0; i < SIMDROPE_MAX_PAIRS; ++i) {
      lists.factors[i] = lists.long_factors[SIMDROPE_MAX_PAIRS - 1 - i] = i % 64 < 8 ? in.real() : 1;
    }
    s.factors = in.byte() < 250 ? lists.factors : nullptr;
    s.long_factors = in.byte() < 250 ? lists.long_factors : nullptr;
  }
  if (in.flag()) {
    c.axes.count = static_cast<int32_t>(in.count(4));
    c.axes.layout = in.choice<simdrope_axis_layout>(6);
    for (int32_t& section : c.axes.sections) section = static_cast<int32_t>(in.count(40));
    for (int i = 0; i < SIMDROPE_MAX_PAIRS; ++i) lists.pair_axis[i] = i < 16 ? in.byte() % 5 : 0;
    c.axes.pair_axis_count =
        static_cast<int32_t>(in.flag() ? (c.rotary_dim != 0 ? c.rotary_dim : c.head_dim) / 2 : in.count(64));
    c.axes.pair_axis = in.byte() < 250 ? lists.pair_axis : nullptr;
  }
  if (in.flag()) c.xpos = {in.real(), in.real(), in.flag()};
  if (in.flag()) c.temperature = {in.real(), in.real(), in.real()};
  if (in.flag()) c.angle_order = in.choice<simdrope_angle_order>(3);
  c.pairs_in_sections = in.flag() && in.flag();
  return c;
}

// Within the memory of `elements` elements, or none.
bool Fits(const simdrope_tensor& t, int64_t elements) {
  __int128 least = 0, most = t.head_dim - 1;
  const int64_t extents[] = {t.batch, t.seq, t.heads}, strides[] = {t.batch_stride, t.seq_stride, t.head_stride};
  for (int i = 0; i < 3; ++i) {
    if (extents[i] <= 0) return true;
    const __int128 reach = static_cast<__int128>(extents[i] - 1) * strides[i];
    (reach < 0 ? least : most) += reach;
  }
  return least >= 0 && most < elements;
}

// Modulo 2^64: what it names is for the library to refuse.
int64_t Product(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

simdrope_tensor DrawTensor(Bytes& in, const simdrope_config& c, int64_t batch, int64_t seq, void* data) {
  simdrope_tensor t = SIMDROPE_TENSOR_INIT;
  t.data = data;
  t.format = in.choice<simdrope_format>(3);
  t.batch = in.byte() < 250 ? batch : in.count(4);
  t.seq = in.byte() < 250 ? seq : in.count(4);
  t.heads = in.count(4);
  t.head_dim = in.byte() < 250 ? c.head_dim : in.count(200);
  t.head_stride = t.head_dim;
  t.seq_stride = Product(t.heads, t.head_dim);
  t.batch_stride = Product(t.seq, t.seq_stride);
  if (in.byte() % 4 == 0) t.head_stride = in.count(250);
  if (in.byte() % 4 == 0) t.seq_stride = in.count(250);
  if (in.byte() % 4 == 0) t.batch_stride = in.count(250);
  if (in.byte() == 255) t.data = nullptr;
  return t;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes in(data, size);
  Lists lists;
  const simdrope_config config = DrawConfig(in, lists);
  simdrope_rope* rope = nullptr;
  if (simdrope_rope_create(&config, &rope) != SIMDROPE_OK) {
    if (rope != nullptr || simdrope_last_error()[0] == '\0') __builtin_trap();
    return 0;
  }
  simdrope_rope_info info;
  simdrope_rope_describe(rope, &info);
  if (info.pairs < 1 || info.rotary_offset + 2 * info.pairs > info.head_dim) __builtin_trap();
  for (int i = 0; i < info.pairs; ++i) {
    if (!std::isfinite(info.inv_freq[i])) __builtin_trap();
  }

  const int64_t batch = 1 + in.byte() % 3, seq = in.byte() % 5;
  Guarded q_in(4 * kElements), k_in(4 * kElements), q_out(4 * kElements), k_out(4 * kElements), ids(8 * 64);
  for (size_t i = 0; i < q_in.bytes(); ++i)
    q_in.data()[i] = k_in.data()[i] = static_cast<char>(i % 4 == 3 ? 0x3c + i % 3 : i * 37);
  std::memset(q_out.data(), 0x5a, q_out.bytes());
  std::memset(k_out.data(), 0x5a, k_out.bytes());
  for (int i = 0; i < 64; ++i) {
    const int64_t id = in.byte() < 200 ? in.byte() : in.wide();
    std::memcpy(ids.data() + 8 * i, &id, sizeof id);
  }

  simdrope_positions positions = SIMDROPE_POSITIONS_INIT;
  positions.start = in.count(100);
  if (in.flag()) {
    positions.ids = ids.data();
    positions.ids_type = in.choice<simdrope_index_type>(4);
    positions.ids_axes = in.flag() ? info.axes : static_cast<int32_t>(1 + in.byte() % 4);
    positions.ids_batch = in.flag() ? 1 : batch;
    positions.ids_seq = seq;
    positions.batch_stride = positions.ids_batch == 1 ? 0 : seq;
    positions.axis_stride = positions.ids_batch * seq;
    positions.padding = in.flag();
    if (static_cast<int64_t>(positions.ids_axes) * batch * std::max<int64_t>(seq, 1) > 64) positions.ids_axes = 1;
  }

  simdrope_cos_sin cos_sin = SIMDROPE_COS_SIN_INIT;
  cos_sin.rope = rope;
  cos_sin.positions = positions;
  simdrope_qkv from = SIMDROPE_QKV_INIT, to = SIMDROPE_QKV_INIT;
  from.q = DrawTensor(in, config, batch, seq, q_in.data());
  from.k = DrawTensor(in, config, batch, seq, k_in.data());
  to.q = DrawTensor(in, config, batch, seq, q_out.data());
  to.k = DrawTensor(in, config, batch, seq, k_out.data());
  if (in.byte() < 250) to.q.heads = from.q.heads, to.k.heads = from.k.heads;
  bool fits = true;
  for (const simdrope_tensor* t : {&from.q, &from.k, &to.q, &to.k}) {
    if (t->data != nullptr && !Fits(*t, kElements)) fits = false;
  }
  simdrope_options options = SIMDROPE_OPTIONS_INIT;
  options.inverse = in.flag();
  options.output_pairing = in.choice<simdrope_pairing>(3);
  options.threads = 1;
  if (in.flag()) options.slice_count = in.count(4), options.slice_index = in.count(4);
  if (in.flag()) options.q.scale = static_cast<float>(in.real());
  if (in.flag()) {
    options.q.norm.type = in.choice<simdrope_norm_type>(4);
    options.q.norm.eps = static_cast<float>(in.real());
    options.q.norm.after_rotation = in.flag();
    options.q.norm.over_all_heads = in.flag();
  }
  if (in.flag()) options.k.hadamard = static_cast<int32_t>(1 << (in.byte() % 8));
  if (fits) {
    const simdrope_status status = simdrope_apply(&cos_sin, &from, &to, &options);
    if (status != SIMDROPE_OK) {
      if (simdrope_last_error()[0] == '\0') __builtin_trap();
      for (const Guarded* out : {&q_out, &k_out}) {
        if (std::any_of(out->data(), out->data() + out->bytes(), [](char c) { return c != 0x5a; })) __builtin_trap();
      }
    }
    // A plan decides as the call does, and gives the same bytes.
    const std::vector<char> q_after(q_out.data(), q_out.data() + q_out.bytes());
    simdrope_plan* plan = nullptr;
    const simdrope_status planned = simdrope_plan_create(&cos_sin, &from, &to, &options, &plan);
    if (planned == SIMDROPE_OK) {
      simdrope_run run;
      simdrope_plan_pointers(plan, &run);
      const simdrope_status ran = simdrope_plan_run(plan, &run);
      if ((ran == SIMDROPE_OK) != (status == SIMDROPE_OK)) __builtin_trap();
      if (std::memcmp(q_after.data(), q_out.data(), q_after.size()) != 0) __builtin_trap();
      simdrope_plan_release(plan);
    } else if (status == SIMDROPE_OK || plan != nullptr) {
      __builtin_trap();
    }
  }
  simdrope_rope_release(rope);
  return 0;
}
