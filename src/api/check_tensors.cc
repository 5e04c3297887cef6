#include <algorithm>
#include <cstdlib>

#include "api/checks.h"
#include "core/checked.h"
#include "core/format.h"
#include "core/tensor.h"

namespace simdrope::impl {
namespace {

// Bytes in memory: runs of `width` bytes at base + the sum of index * stride of each axis.
struct Axis {
  const char* name;
  int64_t size;
  int64_t stride;
};
struct View {
  const char* name;
  const char* base;
  int64_t width;
  Axis axes[3];
};

View ViewOf(const char* name, const simdrope_tensor& t) {
  const auto bytes = [&](int64_t elements) { return static_cast<int64_t>(BytesOf(t.format, elements)); };
  return {name,
          static_cast<const char*>(t.data),
          bytes(t.head_dim),
          {{"batch", t.batch, bytes(t.batch_stride)},
           {"seq", t.seq, bytes(t.seq_stride)},
           {"head", t.heads, bytes(t.head_stride)}}};
}

View ViewOfScales(const char* name, const simdrope_tensor& t, const float* data) {
  const simdrope_scales& s = t.scales;
  const auto bytes = [](int64_t floats) { return static_cast<int64_t>(BytesOf(SIMDROPE_F32, floats)); };
  return {name,
          reinterpret_cast<const char*>(data),
          s.element_stride == 0 ? 4 : 4 * ((t.head_dim - 1) * std::llabs(s.element_stride) + 1),
          {{"batch", t.batch, bytes(s.batch_stride)},
           {"seq", t.seq, bytes(s.seq_stride)},
           {"head", t.heads, bytes(s.head_stride)}}};
}

// Elements from the first column of a row to its last.
int64_t RunOf(const simdrope_table& t) { return (std::max(t.columns, 1) - 1) * t.column_stride + 1; }

View ViewOfTable(const char* name, const simdrope_table& t, const void* data) {
  const int64_t size = SizeOf(t.format);
  return {name,
          static_cast<const char*>(data),
          size * RunOf(t),
          {{"batch", t.batches, size * t.batch_stride},
           {"row", t.rows, size * t.row_stride},
           {"head", std::max<int64_t>(t.heads, 1), size * t.head_stride}}};
}

// What is written of one array of a table: `rows` rows of `pairs` columns, copies included.
View ViewOfDestination(const char* name, const simdrope_table& t, const void* data, int64_t rows, int32_t pairs) {
  const int64_t size = SizeOf(t.format);
  View view = {name,
               static_cast<const char*>(data),
               size,
               {{"batch", t.batches, size * t.batch_stride}, {"row", rows, size * t.row_stride}, {"column", 1, 0}}};
  if (t.column_stride == 1) {
    view.width *= pairs;
    view.axes[2] = {"copy", t.copies, size * t.copy_stride};
  } else if (t.copies == 1 || t.copy_stride == 1) {
    view.width *= t.copies;
    view.axes[2] = {"column", pairs, size * t.column_stride};
  } else {  // as if all between the first and the last were written
    view.width *= (pairs - 1) * t.column_stride + (t.copies - 1) * t.copy_stride + 1;
  }
  return view;
}

bool IsEmptyView(const View& v) {
  return v.base == nullptr || v.axes[0].size == 0 || v.axes[1].size == 0 || v.axes[2].size == 0;
}

// From the lowest element's begin to the highest's end, in bytes or elements: a run of `after`, repeated along the axes
// that are added.
struct Extent {
  int64_t before = 0;  // below the base
  int64_t after = 0;   // from the base on

  void Add(int64_t size, int64_t stride) {
    if (size > 1) (stride < 0 ? before : after) += (size - 1) * std::llabs(stride);
  }
  int64_t total() const { return before + after; }
};

// In bytes, of the axes whose |stride| is below `limit`.
Extent ExtentOf(const View& v, int64_t limit) {
  Extent extent{0, v.width};
  for (const Axis& axis : v.axes) {
    if (std::llabs(axis.stride) < limit) extent.Add(axis.size, axis.stride);
  }
  return extent;
}

// Whether every stride is either below `period` or a multiple of it.
bool HasPeriod(const View& v, int64_t period) {
  for (const Axis& axis : v.axes) {
    const int64_t stride = std::llabs(axis.stride);
    if (axis.size > 1 && stride >= period && stride % period != 0) return false;
  }
  return true;
}

// Slices of one packed tensor: apart within each period of a common stride.
bool AreInterlaced(const View& a, const View& b) {
  for (const Axis& axis : a.axes) {
    const int64_t period = std::llabs(axis.stride);
    if (axis.size < 2 || period == 0 || !HasPeriod(a, period) || !HasPeriod(b, period)) continue;
    const Extent a_in = ExtentOf(a, period);
    const Extent b_in = ExtentOf(b, period);
    const int64_t distance =
        static_cast<int64_t>((reinterpret_cast<uintptr_t>(b.base) - static_cast<uintptr_t>(b_in.before)) -
                             (reinterpret_cast<uintptr_t>(a.base) - static_cast<uintptr_t>(a_in.before)));
    const int64_t offset = ((distance % period) + period) % period;
    if (offset >= a_in.total() && offset + b_in.total() <= period) return true;
  }
  return false;
}

// First and last byte, exclusive.
struct Interval {
  uintptr_t begin;
  uintptr_t end;
};

Interval IntervalAround(const void* base, int64_t bytes_before, int64_t bytes_after) {
  const auto address = reinterpret_cast<uintptr_t>(base);
  return {address - static_cast<uintptr_t>(bytes_before), address + static_cast<uintptr_t>(bytes_after)};
}

Interval IntervalOf(const View& v) {
  const Extent all = ExtentOf(v, INT64_MAX);
  return IntervalAround(v.base, all.before, all.after);
}

// The same without a View, for the many calls whose intervals are apart.
Interval IntervalOf(const simdrope_tensor& t) {
  Extent all{0, t.head_dim};
  all.Add(t.batch, t.batch_stride);
  all.Add(t.seq, t.seq_stride);
  all.Add(t.heads, t.head_stride);
  return IntervalAround(t.data, BytesOf(t.format, all.before), BytesOf(t.format, all.after));
}

// Of one of a table's arrays.
Interval IntervalOf(const simdrope_table& t, const void* data) {
  Extent all{0, RunOf(t)};
  all.Add(t.batches, t.batch_stride);
  all.Add(t.rows, t.row_stride);
  all.Add(t.heads, t.head_stride);
  return IntervalAround(data, BytesOf(t.format, all.before), BytesOf(t.format, all.after));
}

bool IsDisjoint(const View& a, const Interval& a_all, const View& b, const Interval& b_all) {
  return a_all.end <= b_all.begin || b_all.end <= a_all.begin || AreInterlaced(a, b);
}

// Whether no two runs of one view share a byte: each stride steps over all that smaller strides reach. Of equal strides
// the one listed first counts as the smaller one, so that two axes of size 2 or more with one stride are found.
const Axis* AxisThatOverlaps(const View& v) {
  for (int i = 0; i < 3; ++i) {
    const Axis& axis = v.axes[i];
    if (axis.size < 2) continue;
    const int64_t stride = std::llabs(axis.stride);
    int64_t inner = v.width;
    for (int j = 0; j < 3; ++j) {
      const int64_t other = std::llabs(v.axes[j].stride);
      if (j != i && v.axes[j].size > 1 && (other < stride || (other == stride && j < i))) {
        inner += (v.axes[j].size - 1) * other;
      }
    }
    if (stride < inner) return &axis;
  }
  return nullptr;
}

// Whether each stride steps over all that the axes inside it reach, heads innermost: no two heads share a byte. For
// strides that CheckReachOf has passed.
bool IsNested(const simdrope_tensor& t) {
  int64_t reach = t.head_dim;
  const auto steps_over = [&](int64_t size, int64_t stride) {
    if (size < 2) return true;
    if (stride < reach) return false;
    reach += (size - 1) * stride;
    return true;
  };
  return steps_over(t.heads, t.head_stride) && steps_over(t.seq, t.seq_stride) && steps_over(t.batch, t.batch_stride);
}

constexpr int64_t kMostExactRuns = 256;

// The same by comparing all runs; false if they share a byte. For kMostExactRuns runs at most.
bool RunsAreApart(const View& v) {
  int64_t begins[kMostExactRuns];
  int64_t count = 0;
  for (int64_t i = 0; i < v.axes[0].size; ++i) {
    for (int64_t j = 0; j < v.axes[1].size; ++j) {
      for (int64_t k = 0; k < v.axes[2].size; ++k) {
        begins[count++] = i * v.axes[0].stride + j * v.axes[1].stride + k * v.axes[2].stride;
      }
    }
  }
  std::sort(begins, begins + count);
  for (int64_t i = 1; i < count; ++i) {
    if (begins[i] - begins[i - 1] < v.width) return false;
  }
  return true;
}

simdrope_status CheckApart(const View& v) {
  const Axis* axis = AxisThatOverlaps(v);
  if (axis == nullptr) return SIMDROPE_OK;
  const int64_t runs =
      v.axes[0].size <= kMostExactRuns && v.axes[1].size <= kMostExactRuns && v.axes[2].size <= kMostExactRuns
          ? v.axes[0].size * v.axes[1].size * v.axes[2].size
          : INT64_MAX;
  if (runs <= kMostExactRuns && RunsAreApart(v)) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s: %s stride of %lld bytes makes elements of this output overlap", v.name,
              axis->name, static_cast<long long>(axis->stride));
}

simdrope_status FailBySizes(const char* name, const simdrope_tensor& t, const char* what) {
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has sizes [%lld, %lld, %lld, %lld]%s", name,
              static_cast<long long>(t.batch), static_cast<long long>(t.seq), static_cast<long long>(t.heads),
              static_cast<long long>(t.head_dim), what);
}

// That (size - 1) * stride of all axes, and `last`, together fit the address range in bytes.
simdrope_status CheckReachOf(const char* name, int64_t last, const Axis (&axes)[3]) {
  int64_t reach = last;
  for (const Axis& axis : axes) {
    if (axis.size < 2) continue;
    int64_t bytes;
    if (axis.stride == INT64_MIN || !CheckedMul(axis.size - 1, std::llabs(axis.stride), &bytes) ||
        !CheckedMul(bytes, 4, &bytes) || !CheckedAdd(reach, bytes, &reach)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s: %s size %lld with stride %lld overflows the address range", name,
                  axis.name, static_cast<long long>(axis.size), static_cast<long long>(axis.stride));
    }
  }
  return SIMDROPE_OK;
}

simdrope_status CheckScales(const char* name, const simdrope_tensor& t, bool is_output) {
  const FormatEntry& format = EntryOf(t.format);
  const simdrope_scales& s = t.scales;
  if (format.scales == Scales::kNone) return SIMDROPE_OK;
  if (s.scale == nullptr && format.scales == Scales::kComputed) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.scales.scale is NULL, but %s has scales", name, NameOf(t.format));
  }
  if (s.zero_point == nullptr && format.has_zero_point) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.scales.zero_point is NULL, but %s has zero points", name,
                NameOf(t.format));
  }
  const bool computes = is_output && format.scales == Scales::kComputed && !s.given;
  if (computes && s.element_stride != 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT,
                "%s.scales.element_stride = %lld, but scales that are computed are one a head", name,
                static_cast<long long>(s.element_stride));
  }
  if (s.scale == nullptr) return SIMDROPE_OK;
  const Axis axes[3] = {{"scales.batch", t.batch, s.batch_stride},
                        {"scales.seq", t.seq, s.seq_stride},
                        {"scales.head", t.heads, s.head_stride}};
  SIMDROPE_TRY(CheckReachOf(name, 4, axes));
  const Axis element[3] = {{"scales.element", t.head_dim, s.element_stride}, {"", 1, 0}, {"", 1, 0}};
  return CheckReachOf(name, 4, element);
}

simdrope_status CheckSlots(const char* name, const simdrope_tensor& t) {
  const simdrope_slots& s = t.slots;
  if (s.source == SIMDROPE_SLOTS_NONE) return SIMDROPE_OK;
  if (s.source < SIMDROPE_SLOTS_NONE || s.source > SIMDROPE_SLOTS_POSITIONS) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.slots.source = %d is none of the simdrope_slot_source", name,
                static_cast<int>(s.source));
  }
  int64_t tokens;
  if (s.batch < 0 || s.seq < 0 || !CheckedMul(s.batch, s.seq, &tokens)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.slots.batch = %lld and seq = %lld must be >= 0 and their product fit",
                name, static_cast<long long>(s.batch), static_cast<long long>(s.seq));
  }
  if (s.source == SIMDROPE_SLOTS_POSITIONS) {
    if (s.batch == t.batch) return SIMDROPE_OK;
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.slots.batch = %lld by position, but the cache has batch %lld", name,
                static_cast<long long>(s.batch), static_cast<long long>(t.batch));
  }
  if (s.type != SIMDROPE_INDEX_I32 && s.type != SIMDROPE_INDEX_I64) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.slots.type = %d must be a 32- or 64-bit integer type", name,
                static_cast<int>(s.type));
  }
  if (tokens > 0 && s.ids == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.slots.ids is NULL, but there are %lld tokens", name,
                static_cast<long long>(tokens));
  }
  return SIMDROPE_OK;
}

}  // namespace

simdrope_status CheckPointer(const char* name, const void* pointer) {
  if (pointer != nullptr) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", name);
}

simdrope_status CheckFloatFormat(const char* name, simdrope_format format) {
  if (IsKnown(format) && IsFloat(format)) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.format = %d is none of f32, f16, bf16", name, static_cast<int>(format));
}

simdrope_status CheckTensor(const char* name, const simdrope_tensor& t, bool is_output) {
  if (!IsKnown(t.format)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.format = %d is none of the simdrope_format", name,
                static_cast<int>(t.format));
  }
  const FormatEntry& format = EntryOf(t.format);
  if (t.batch < 0 || t.seq < 0 || t.heads < 0 || t.head_dim < 1) return FailBySizes(name, t, "; none may be negative");
  SIMDROPE_TRY(CheckReserved(name, t.reserved));
  // The bytes of all six tensors of a call, 4 an element, are added up: 32 times one tensor's elements must fit.
  int64_t elements, bytes;
  if (!CheckedMul(t.batch, t.seq, &elements) || !CheckedMul(elements, t.heads, &elements) ||
      !CheckedMul(elements, t.head_dim, &elements) || !CheckedMul(elements, 32, &bytes)) {
    return FailBySizes(name, t, ": their product overflows");
  }
  SIMDROPE_TRY(CheckSlots(name, t));
  if (elements == 0) return SIMDROPE_OK;
  if (t.head_dim > SIMDROPE_MAX_HEAD_DIM) return FailBySizes(name, t, ": head_dim is at most 1024");
  if (t.data == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.data is NULL, but it has %lld elements", name,
                static_cast<long long>(elements));
  }
  if ((reinterpret_cast<uintptr_t>(t.data) & static_cast<uintptr_t>(format.alignment - 1)) != 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.data = %p is not aligned to the %d bytes of %s", name, t.data,
                format.alignment, NameOf(t.format));
  }
  const Axis axes[3] = {
      {"batch", t.batch, t.batch_stride}, {"seq", t.seq, t.seq_stride}, {"head", t.heads, t.head_stride}};
  if (format.block_shift > 0) {
    bool is_whole = t.head_dim % format.block_elements() == 0;
    for (const Axis& axis : axes) is_whole = is_whole && (axis.size < 2 || axis.stride % format.block_elements() == 0);
    if (!is_whole) {
      return Fail(SIMDROPE_INVALID_ARGUMENT,
                  "%s: head_dim = %lld and strides %lld, %lld, %lld must be multiples of the %d elements of a %s block",
                  name, static_cast<long long>(t.head_dim), static_cast<long long>(t.batch_stride),
                  static_cast<long long>(t.seq_stride), static_cast<long long>(t.head_stride), format.block_elements(),
                  NameOf(t.format));
    }
  }
  SIMDROPE_TRY(CheckReachOf(name, t.head_dim * 4, axes));
  SIMDROPE_TRY(CheckScales(name, t, is_output));
  if (!is_output) return SIMDROPE_OK;
  if (!IsNested(t)) SIMDROPE_TRY(CheckApart(ViewOf(name, t)));
  if (format.scales != Scales::kComputed || t.scales.given) return SIMDROPE_OK;
  SIMDROPE_TRY(CheckApart(ViewOfScales(name, t, t.scales.scale)));
  return format.has_zero_point ? CheckApart(ViewOfScales(name, t, t.scales.zero_point)) : SIMDROPE_OK;
}

namespace {

// One of Q, K and V, of what is read and of what is written.
struct OperandEntry {
  const char* in_name;
  const char* out_name;
  simdrope_tensor simdrope_qkv::*tensor;
  bool rotated;
};

constexpr OperandEntry kOperands[] = {{"in.q", "out.q", &simdrope_qkv::q, true},
                                      {"in.k", "out.k", &simdrope_qkv::k, true},
                                      {"in.v", "out.v", &simdrope_qkv::v, false}};

}  // namespace

simdrope_status CheckSameTokens(const char* a_name, const simdrope_tensor& a, const char* b_name,
                                const simdrope_tensor& b, bool same_seq, bool same_heads) {
  if (BatchOf(a) == BatchOf(b) && (!same_seq || SeqOf(a) == SeqOf(b)) && a.head_dim == b.head_dim &&
      (!same_heads || a.heads == b.heads)) {
    return SIMDROPE_OK;
  }
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is [%lld, %lld, %lld, %lld], but %s is [%lld, %lld, %lld, %lld]", a_name,
              static_cast<long long>(BatchOf(a)), static_cast<long long>(SeqOf(a)), static_cast<long long>(a.heads),
              static_cast<long long>(a.head_dim), b_name, static_cast<long long>(BatchOf(b)),
              static_cast<long long>(SeqOf(b)), static_cast<long long>(b.heads), static_cast<long long>(b.head_dim));
}

simdrope_status CheckOperands(const simdrope_qkv& in_qkv, const simdrope_qkv& out_qkv, bool has_key_positions,
                              const simdrope_tensor** shape) {
  const char* first_name = nullptr;
  *shape = nullptr;
  for (const OperandEntry& operand : kOperands) {
    const simdrope_tensor &in = in_qkv.*operand.tensor, &out = out_qkv.*operand.tensor;
    if (!IsPresent(in) && !IsPresent(out)) continue;
    if (!IsPresent(in)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is present, but %s is not", operand.out_name, operand.in_name);
    }
    const bool in_place = IsSameView(in, out);
    SIMDROPE_TRY(CheckTensor(operand.in_name, in, in_place));
    if (*shape == nullptr) {
      *shape = &in;
      first_name = operand.in_name;
    } else {
      const bool same_seq = !(has_key_positions && (*shape) == &in_qkv.q);
      SIMDROPE_TRY(CheckSameTokens(first_name, **shape, operand.in_name, in, same_seq, false));
    }
    if (!IsPresent(out)) {
      if (!operand.rotated) continue;
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is present, but %s is not", operand.in_name, operand.out_name);
    }
    if (!in_place) SIMDROPE_TRY(CheckTensor(operand.out_name, out, true));
    if (&out != &in) SIMDROPE_TRY(CheckSameTokens(operand.in_name, in, operand.out_name, out, true, true));
  }
  if (has_key_positions && IsPresent(in_qkv.k) && IsPresent(in_qkv.v)) {
    SIMDROPE_TRY(CheckSameTokens("in.k", in_qkv.k, "in.v", in_qkv.v, true, false));
  }
  if (*shape == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "none of q, k and v is present (all have 0 heads)");
  }
  return SIMDROPE_OK;
}

simdrope_status CheckDisjoint(const char* a_name, const simdrope_tensor& a, const char* b_name,
                              const simdrope_tensor& b) {
  if (IsEmpty(a) || IsEmpty(b)) return SIMDROPE_OK;
  const View a_view = ViewOf(a_name, a), b_view = ViewOf(b_name, b);
  if (IsDisjoint(a_view, IntervalOf(a_view), b_view, IntervalOf(b_view))) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s and %s overlap without being the same tensor", a_name, b_name);
}

namespace {

// All that a call writes, and all that it reads elsewhere. A tensor's view, and a table's, is made where its interval
// meets another.
class Views {
 public:
  void AddOutput(const char* name, const simdrope_tensor& t) { Next(name, IntervalOf(t), true).tensor = &t; }
  void AddInput(const char* name, const simdrope_tensor& t) { Next(name, IntervalOf(t), false).tensor = &t; }
  void AddOutput(const View& v) {
    if (!IsEmptyView(v)) Next(v.name, IntervalOf(v), true).view = v;
  }
  void AddTable(const char* name, const simdrope_table& t) {
    if (t.batches == 0 || t.rows == 0) return;
    for (const void* data : {t.cos, t.sin}) {
      if (data == nullptr) continue;
      Item& item = Next(name, IntervalOf(t, data), false);
      item.table = &t;
      item.view.base = static_cast<const char*>(data);
    }
  }

  simdrope_status Check() const {
    for (int i = 0; i < count_; ++i) {
      for (int j = i + 1; j < count_; ++j) {
        const Item &a = items_[i], &b = items_[j];
        if ((!a.is_output && !b.is_output) || a.all.end <= b.all.begin || b.all.end <= a.all.begin) continue;
        if (AreInterlaced(ViewOfItem(a), ViewOfItem(b))) continue;
        return Fail(SIMDROPE_INVALID_ARGUMENT, "%s and %s overlap without being the same tensor",
                    (b.is_output ? a : b).name, (b.is_output ? b : a).name);
      }
    }
    return SIMDROPE_OK;
  }

 private:
  struct Item {
    const char* name;
    Interval all;
    bool is_output;
    const simdrope_tensor* tensor;
    const simdrope_table* table;
    View view;  // of neither; of a table only the base
  };

  static View ViewOfItem(const Item& item) {
    if (item.tensor != nullptr) return ViewOf(item.name, *item.tensor);
    if (item.table != nullptr) return ViewOfTable(item.name, *item.table, item.view.base);
    return item.view;
  }

  Item& Next(const char* name, const Interval& all, bool is_output) {
    Item& item = items_[count_++];
    item.name = name;
    item.all = all;
    item.is_output = is_output;
    item.tensor = nullptr;
    item.table = nullptr;
    return item;
  }

  // Three operands in and out, with scales and zero points, and two tables.
  Item items_[22];
  int count_ = 0;
};

}  // namespace

simdrope_status CheckOverlap(const simdrope_cos_sin* cos_sin, const simdrope_qkv& in_qkv, const simdrope_qkv& out_qkv) {
  Views views;
  for (const OperandEntry& operand : kOperands) {
    const simdrope_tensor &in = in_qkv.*operand.tensor, &out = out_qkv.*operand.tensor;
    const bool in_place = IsPresent(out) && IsSameView(in, out);
    if (IsPresent(out) && !IsEmpty(out)) {
      views.AddOutput(operand.out_name, out);
      if (EntryOf(out.format).scales == Scales::kComputed && !out.scales.given) {
        views.AddOutput(ViewOfScales(operand.out_name, out, out.scales.scale));
        views.AddOutput(ViewOfScales(operand.out_name, out, out.scales.zero_point));
      }
    }
    if (IsPresent(in) && !in_place && !IsEmpty(in)) views.AddInput(operand.in_name, in);
  }
  if (cos_sin != nullptr && cos_sin->source != SIMDROPE_STREAMED) {
    views.AddTable("cos_sin.table", cos_sin->table);
    if (cos_sin->key_table.cos != nullptr) views.AddTable("cos_sin.key_table", cos_sin->key_table);
  }
  return views.Check();
}

simdrope_status CheckDestinations(const simdrope_cos_sin_output& output, int64_t rows, int32_t pairs) {
  struct {
    const char* name;
    const simdrope_table& table;
  } const tables[] = {{"output.table", output.table}, {"output.key_table", output.key_table}};
  Views views;
  for (const auto& [name, table] : tables) {
    if (table.cos == nullptr) continue;
    for (const void* data : {table.cos, table.sin}) {
      const View view = ViewOfDestination(name, table, data, rows, pairs);
      SIMDROPE_TRY(CheckApart(view));
      views.AddOutput(view);
    }
  }
  const int64_t count = output.table.batches * output.table.rows;
  const auto add_flat = [&](const char* name, const void* data, int64_t size) {
    views.AddOutput({name, static_cast<const char*>(data), size * count, {{"", 1, 0}, {"", 1, 0}, {"", 1, 0}}});
  };
  add_flat("output.query_scale", output.query_scale, sizeof(float));
  add_flat("output.padding", output.padding, 1);
  return views.Check();
}

}  // namespace simdrope::impl
