#include "support/chain.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "support/targets.h"

#if SIMDROPE_HAVE_TBB
#include <oneapi/tbb/task_arena.h>
#endif

namespace testing {
namespace {

constexpr int64_t kLongestCache = 40;  // of caches by position

bool IsBlocked(Format format) { return format == simdrope::q8_0 || format == simdrope::q4_0; }
bool HasScales(Format format) { return simdrope::impl::EntryOf(format).scales != simdrope::impl::Scales::kNone; }

int AlignmentOf(Format format) { return format == simdrope::f32 ? 4 : HasScales(format) ? 1 : 2; }

std::string NameOfTensor(const simdrope_tensor& t) {
  std::string name = std::string(NameOf(t.format)) + "[" + std::to_string(t.batch) + ", " + std::to_string(t.seq) +
                     ", " + std::to_string(t.heads) + ", " + std::to_string(t.head_dim) + "]";
  if (t.slots.source != SIMDROPE_SLOTS_NONE) name += t.slots.source == SIMDROPE_SLOTS_IDS ? " slots" : " by position";
  if (t.scales.scale != nullptr) name += t.scales.given ? " given scales" : " scales";
  return name;
}

bool HasStages(const simdrope_stages& s) {
  return s.norm.type != SIMDROPE_NORM_NONE || s.input_hadamard != 0 || s.hadamard != 0 || s.scale != 1;
}

std::string NameOfStages(const simdrope_stages& s) {
  const simdrope_norm& n = s.norm;
  std::string name = "hadamard " + std::to_string(s.input_hadamard) + " " + std::to_string(s.hadamard) + ", scale " +
                     std::to_string(s.scale);
  if (n.type == SIMDROPE_NORM_NONE) return name;
  name += ", norm " + std::to_string(n.type) + " eps " + std::to_string(n.eps) +
          (n.over_all_heads ? " all heads" : "") + (n.after_rotation ? " after" : "") + (n.round ? " rounded" : "");
  return name + (n.weight == nullptr ? "" : n.weight_head_stride == 0 ? " weight" : " weights");
}

}  // namespace

Chain::Chain(uint64_t seed) : random_(seed) {
  blocks_ = random_.Chance(2);
  head_dim_ = blocks_ ? random_.Pick({32, 64, 96, 128, 256}) : 2 * random_.Int(1, random_.Chance(4) ? 70 : 24);
  const int64_t batch = random_.Int(1, 3), seq = random_.Int(1, 5);
  const int64_t q_heads = random_.Chance(4) ? 0 : random_.Int(1, random_.Chance(4) ? 11 : 4);
  const int64_t k_heads = random_.Chance(4) ? 0 : random_.Int(1, random_.Chance(4) ? 9 : 3);
  const int64_t v_heads = q_heads + k_heads == 0 || random_.Chance(2) ? random_.Int(1, 3) : 0;
  in_place_ = random_.Chance(3);
  by_position_ = !in_place_ && random_.Chance(5);
  DrawOptions();

  const bool own_positions = q_heads > 0 && k_heads > 0 && random_.Chance(3);
  const int64_t key_seq = own_positions ? random_.Int(1, 6) : seq;
  const auto draw_ids = [&](int64_t tokens) {
    IdsDraw draw{kIdsForms[random_.Int(0, 3)], batch, tokens, config_.axes.count, 0, 5000, random_.Chance(5)};
    if (by_position_) {
      draw.form = IdsForm::kStart;
      draw.greatest = kLongestCache - 8;
      draw.padding = false;
    }
    return std::make_unique<Ids>(draw, &random_);
  };
  ids_ = draw_ids(seq);
  if (own_positions) key_ids_ = draw_ids(key_seq);
  const Ids& of_keys = own_positions ? *key_ids_ : *ids_;
  if (own_positions) options_.key_positions = &of_keys.view();
  rope_ = simdrope::Rope::create(config_);
  REQUIRE_MESSAGE(rope_->ok(), rope_->status().message());
  cos_sin_ = (*rope_)->stream(ids_->view());

  job_.window = Window::Of((*rope_)->info());
  DrawOperand(Operand::kQ, batch, seq, q_heads);
  DrawOperand(Operand::kK, batch, key_seq, k_heads);
  DrawOperand(Operand::kV, batch, key_seq, v_heads);
  job_.SetOptions(options_);
  job_.slot_positions = &of_keys.view();
  job_.row = RowsOfRope(config_, FrequenciesOf((*rope_)->info()), ids_->view(), &of_keys.view());
}

void Chain::DrawOptions() {
  config_ = simdrope::Config(static_cast<int>(head_dim_), random_.Pick({1e2, 1e4, 5e5}));
  const int half_head = static_cast<int>(head_dim_) / 2;
  if (random_.Chance(3)) {
    config_.rotary_dim = 2 * static_cast<int>(random_.Int(1, half_head));
    config_.rotary_offset = 2 * static_cast<int>(random_.Int(0, half_head - config_.rotary_dim / 2));
  }
  config_.pairing = random_.Pick({simdrope::half, simdrope::interleaved});
  if (random_.Chance(4)) options_.output_pairing = random_.Pick({simdrope::half, simdrope::interleaved});
  if (random_.Chance(5)) config_.temperature = {0.1, 100, 1};
  if (random_.Chance(5)) {
    config_.scaling.type = SIMDROPE_SCALING_YARN;
    config_.scaling.factor = 8;
    config_.scaling.original_max_position = 2048;
  }
  options_.inverse = random_.Chance(4);
}

Buffer* Chain::NewBuffer(int64_t bytes, int misalignment) {
  memory_.emplace_back(bytes, misalignment);
  return &memory_.back();
}

Format Chain::DrawFormat() {
  const Format format = kAllFormats[static_cast<size_t>(random_.Int(0, simdrope::impl::kFormatCount - 1))];
  return IsBlocked(format) && !blocks_ ? simdrope::f32 : format;
}

simdrope_norm Chain::DrawNorm(int64_t heads) {
  simdrope_norm norm = SIMDROPE_NORM_INIT;
  if (random_.Chance(3)) return norm;
  norm.type = random_.Pick({SIMDROPE_NORM_RMS, SIMDROPE_NORM_RMS, SIMDROPE_NORM_L2, SIMDROPE_NORM_LAYER});
  norm.eps = random_.Pick({1e-6f, 1e-5f, 0.0f});
  norm.over_all_heads = random_.Chance(4);
  norm.after_rotation = random_.Chance(3);
  norm.round = random_.Chance(4);
  if (random_.Chance(4)) return norm;
  const int64_t rows = random_.Chance(3) ? heads : 1;
  norm.weight_format = kFormats[random_.Int(0, 2)];
  norm.weight_head_stride = rows == 1 ? 0 : head_dim_;
  if (random_.Chance(2)) norm.weight_offset = 1;
  const auto draw = [&] {
    const int64_t size = simdrope::size_of(norm.weight_format);
    char* data = NewBuffer(rows * head_dim_ * size, static_cast<int>(size * random_.Int(0, 1)))->data();
    for (int64_t i = 0; i < rows * head_dim_; ++i) Store(random_.Real(-1, 1), norm.weight_format, data + i * size);
    return data;
  };
  norm.weight = draw();
  if (norm.type == SIMDROPE_NORM_LAYER && random_.Chance(2)) norm.bias = draw();
  return norm;
}

simdrope_stages Chain::DrawStages(Operand operand, int64_t heads) {
  simdrope_stages stages = SIMDROPE_STAGES_INIT;
  const auto width = [&]() -> int32_t {
    if (!random_.Chance(4)) return 0;
    int32_t widest = 1;
    while (head_dim_ % (2 * widest) == 0) widest *= 2;
    int32_t width = 2;
    while (width < widest && random_.Chance(2)) width *= 2;
    return widest < 2 ? 0 : width;
  };
  stages.input_hadamard = width();
  stages.hadamard = width();
  if (operand != Operand::kV || random_.Chance(3)) stages.norm = DrawNorm(heads);
  if (random_.Chance(3)) stages.scale = static_cast<float>(random_.Real(-2, 2));
  return stages;
}

void Chain::DrawScales(simdrope_tensor* t, bool is_output) {
  if (!HasScales(t->format)) return;
  const bool is_f8 = IsFloat(t->format);
  if (is_f8 && random_.Chance(3)) return;
  simdrope_scales& s = t->scales;
  s.given = is_f8 || random_.Chance(2);
  const int64_t elements = s.given && random_.Chance(3) ? t->head_dim : 1;
  s.element_stride = elements == 1 ? 0 : 1;
  s.head_stride = elements;
  s.seq_stride = s.head_stride * t->heads;
  s.batch_stride = s.seq_stride * t->seq;
  const int64_t count = s.batch_stride * t->batch;
  const auto draw = [&](double least, double greatest) {
    Buffer* buffer = NewBuffer(count * 4);
    float* data = reinterpret_cast<float*>(buffer->data());
    for (int64_t i = 0; i < count; ++i) data[i] = static_cast<float>(random_.Real(least, greatest));
    buffers_.push_back(buffer);
    return data;
  };
  s.scale = draw(0.01, 0.05);
  if (t->format == simdrope::u8) s.zero_point = draw(100, 150);
  (void)is_output;
}

simdrope_tensor Chain::DrawTensor(Format format, int64_t batch, int64_t seq, int64_t heads, bool is_output) {
  simdrope_tensor t = SIMDROPE_TENSOR_INIT;
  t.format = format;
  t.batch = batch;
  t.seq = seq;
  t.heads = heads;
  t.head_dim = head_dim_;
  const int64_t gap = random_.Chance(3) ? (blocks_ ? 32 : 3) : 0;
  if (random_.Chance(2)) {
    t.head_stride = head_dim_ + gap;
    t.seq_stride = heads * t.head_stride + gap;
    t.batch_stride = seq * t.seq_stride;
  } else {
    t.seq_stride = head_dim_ + gap;
    t.head_stride = seq * t.seq_stride + gap;
    t.batch_stride = heads * t.head_stride;
  }
  Buffer* buffer = NewBuffer(simdrope::size_of(format, batch * t.batch_stride),
                             AlignmentOf(format) * static_cast<int>(random_.Int(0, 3)));
  buffers_.push_back(buffer);
  t.data = buffer->data();
  DrawScales(&t, is_output);
  return t;
}

// `distinct`: no slot twice, as outputs want it.
void Chain::AddSlots(simdrope_tensor* t, int64_t batch, int64_t seq, bool distinct) {
  has_slots_ = true;
  simdrope_slots& slots = t->slots;
  slots.source = SIMDROPE_SLOTS_IDS;
  slots.batch = batch;
  slots.seq = seq;
  std::vector<int64_t> all(static_cast<size_t>(t->batch * t->seq));
  std::iota(all.begin(), all.end(), 0);
  for (size_t i = all.size(); i > 1; --i)
    std::swap(all[i - 1], all[static_cast<size_t>(random_.Int(0, static_cast<int64_t>(i) - 1))]);
  all.resize(static_cast<size_t>(batch * seq));
  for (int64_t& id : all) {
    if (random_.Chance(6)) id = -1;
    if (!distinct && random_.Chance(4)) id = std::max<int64_t>(0, all[0]);
  }
  slots.batch_stride = seq;
  slots.seq_stride = 1;
  slots.reject_duplicates = distinct && random_.Chance(2);
  if (random_.Chance(2)) {
    slots.type = SIMDROPE_INDEX_I64;
    ids64_.push_back(all);
    slots.ids = ids64_.back().data();
  } else {
    slots.type = SIMDROPE_INDEX_I32;
    ids32_.emplace_back(all.begin(), all.end());
    slots.ids = ids32_.back().data();
  }
}

// Every head of the memory, in any format.
void Chain::Fill(const simdrope_tensor& t) {
  ForHeads(t, [&](int64_t b, int64_t s, int64_t h) {
    std::vector<double> values(static_cast<size_t>(t.head_dim));
    for (double& value : values) value = Rounded((random_.Chance(2) ? -1 : 1) * random_.Real(0.0625, 2), simdrope::f32);
    Encode(values, HeadAt(t, b, s, h));
  });
}

void Chain::DrawOperand(Operand operand, int64_t batch, int64_t seq, int64_t heads) {
  if (heads == 0) return;
  const bool is_key = operand != Operand::kQ;
  const auto draw = [&](bool is_output) {
    const bool slots = random_.Chance(is_key ? 2 : 6);
    const Format format = DrawFormat();
    if (is_output && is_key && by_position_) {
      has_slots_ = true;
      simdrope_tensor t = DrawTensor(format, batch, kLongestCache, heads, is_output);
      t.slots.source = SIMDROPE_SLOTS_POSITIONS;
      t.slots.batch = batch;
      t.slots.seq = seq;
      return t;
    }
    if (!slots) return DrawTensor(format, batch, seq, heads, is_output);
    const int64_t block = random_.Int(1, 4);
    const int64_t blocks = random_.Chance(3) ? 1 : (batch * seq + block - 1) / block + random_.Int(0, 2);
    simdrope_tensor t =
        DrawTensor(format, blocks, blocks == 1 ? batch * seq + random_.Int(0, 3) : block, heads, is_output);
    AddSlots(&t, batch, seq, is_output || in_place_);
    return t;
  };
  simdrope_tensor in = draw(false);
  Fill(in);
  // In place, the scales of one value an element cannot be computed.
  const simdrope_tensor out = in_place_ ? in : draw(true);
  simdrope_tensor* const ins[] = {&job_.in.q, &job_.in.k, &job_.in.v};
  simdrope_tensor* const outs[] = {&job_.out.q, &job_.out.k, &job_.out.v};
  simdrope_stages* const stages[] = {&options_.q, &options_.k, &options_.v};
  *ins[static_cast<int>(operand)] = in;
  *outs[static_cast<int>(operand)] = out;
  *stages[static_cast<int>(operand)] = DrawStages(operand, heads);
}

bool Chain::has_norm() const {
  return std::any_of(std::begin(kOperands), std::end(kOperands), [&](Operand operand) {
    return job_.has(operand) && job_.stages(operand).norm.type != SIMDROPE_NORM_NONE;
  });
}

bool Chain::is_quantised() const {
  return std::any_of(std::begin(kOperands), std::end(kOperands), [&](Operand operand) {
    return job_.has(operand) && job_.output(operand).format > simdrope::bf16;
  });
}

simdrope::Status Chain::Apply(const simdrope::Options& options, const simdrope::QKV& out) {
  return simdrope::Status::of(simdrope_apply(&cos_sin_, &job_.in, &out, &options));
}

simdrope::Status Chain::RunSlices() {
  simdrope::Options options = options_;
  options.slice_count = random_.Int(1, 7);
  for (int64_t i = 0; i < options.slice_count; ++i) {
    options.slice_index = options.slice_count - 1 - i;
    const simdrope::Status status = Apply(options, job_.out);
    if (!status) return status;
  }
  return {};
}

simdrope::Status Chain::RunPlan() {
  simdrope_plan* plan = nullptr;
  simdrope_status code = simdrope_plan_create(&cos_sin_, &job_.in, &job_.out, &options_, &plan);
  if (code != SIMDROPE_OK) return simdrope::Status::of(code);
  simdrope_run run;
  simdrope_plan_pointers(plan, &run);
  code = simdrope_plan_run(plan, &run);
  const simdrope::Status status = simdrope::Status::of(code);
  simdrope_plan_release(plan);
  return status;
}

std::string Chain::CheckSame(const char* what, const std::vector<std::vector<char>>& before,
                             const std::vector<std::vector<char>>& whole,
                             const std::function<simdrope::Status()>& run) {
  RestoreBytes(buffers_, before);
  const simdrope::Status status = run();
  if (!status) return std::string(what) + " failed: " + status.message();
  return BytesOf(buffers_) == whole ? "" : std::string(what) + " and a serial call differ";
}

// The same chain with float outputs, encoded by the reference: the bits that were stored.
std::string Chain::CheckStoredBits(const std::vector<std::vector<char>>& before) {
  const std::vector<std::vector<char>> whole = BytesOf(buffers_);
  RestoreBytes(buffers_, before);
  std::deque<Buffer> floats;
  simdrope::QKV out;
  simdrope_tensor* const outs[] = {&out.q, &out.k, &out.v};
  for (const Operand operand : kOperands) {
    if (!job_.has(operand)) continue;
    const Step step = StepOf(job_, operand);
    const int64_t heads = job_.input(operand).heads;
    floats.emplace_back(step.batch * step.seq * heads * head_dim_ * 4);
    *outs[static_cast<int>(operand)] =
        simdrope::bshd(floats.back().data(), simdrope::f32, step.batch, step.seq, heads, head_dim_);
  }
  simdrope::Options serial = options_;
  serial.threads = 1;
  const simdrope::Status status = Apply(serial, out);
  if (!status) return "to float: " + status.message();

  RestoreBytes(buffers_, whole);
  std::string mismatch;
  for (const Operand operand : kOperands) {
    if (!job_.has(operand)) continue;
    const simdrope_tensor &stored = job_.output(operand), &in = job_.input(operand);
    // Bytes that nothing is done to are kept: quantising what was quantised before may change them.
    if (operand == Operand::kV && in.format == stored.format && !HasStages(job_.stages(operand))) continue;
    ForStep(job_, operand, [&](int64_t b, int64_t s) {
      const Entry to = EntryOf(stored, job_.slot_positions, b, s), from = EntryOf(in, job_.slot_positions, b, s);
      if (to.skipped || from.skipped || job_.row(operand != Operand::kQ, b, s).action == Action::kSkip) return;
      for (int64_t h = 0; h < stored.heads; ++h) {
        StoredHead head = HeadAt(stored, to.b, to.s, h);
        const std::string got(head.data, static_cast<size_t>(head.bytes()));
        float scale = 0, zero = 0;
        const float stored_scale = head.scale != nullptr ? *head.scale : 0;
        const float stored_zero = head.zero_point != nullptr ? *head.zero_point : 0;
        if (!head.scale_is_given) {
          head.scale = &scale;
          if (head.zero_point != nullptr) head.zero_point = &zero;
        }
        std::string bytes(got.size(), '\0');
        head.data = bytes.data();
        Encode(Decode(HeadAt(*outs[static_cast<int>(operand)], b, s, h)), head);
        const bool same = bytes == got && (head.scale_is_given || (scale == stored_scale && zero == stored_zero));
        if (same || !mismatch.empty()) continue;
        mismatch = std::string(NameOf(operand)) + "[" + std::to_string(b) + ", " + std::to_string(s) + ", " +
                   std::to_string(h) + "]: the stored bits are not those of the float results";
      }
    });
  }
  return mismatch;
}

std::string Chain::Check() {
  const std::vector<std::vector<char>> before = BytesOf(buffers_);
  simdrope::Options serial = options_;
  serial.threads = 1;
  std::optional<std::vector<std::vector<char>>> of_fused;
  std::string mismatch;
  ForEachTarget([&](const simdrope_target& target) {
    if (!mismatch.empty()) return;
    const std::string prefix = std::string(target.name) + ": ";
    RestoreBytes(buffers_, before);
    mismatch = CheckJob(job_, buffers_, [&] { return Apply(serial, job_.out); });
    const std::vector<std::vector<char>> whole = BytesOf(buffers_);
    if (mismatch.empty()) mismatch = CheckStoredBits(before);
    if (mismatch.empty() && target.fused && of_fused && *of_fused != whole) mismatch = "fused targets differ";
    if (target.fused && !of_fused) of_fused = whole;
    if (mismatch.empty()) mismatch = CheckSame("slices", before, whole, [&] { return RunSlices(); });
    if (mismatch.empty()) mismatch = CheckSame("a plan", before, whole, [&] { return RunPlan(); });
#if SIMDROPE_HAVE_TBB
    static tbb::task_arena arena(4);
    const auto parallel = [&] {
      simdrope::Status status;
      arena.execute([&] { status = Apply(options_, job_.out); });
      return status;
    };
    if (mismatch.empty()) mismatch = CheckSame("oneTBB", before, whole, parallel);
#endif
    if (!mismatch.empty()) mismatch = prefix + mismatch;
  });
  return mismatch;
}

std::string Chain::Describe() const {
  std::string text;
  for (const Operand operand : kOperands) {
    if (!job_.has(operand)) continue;
    text += std::string(NameOf(operand)) + " " + NameOfTensor(job_.input(operand)) + " to " +
            NameOfTensor(job_.output(operand)) + ", " + NameOfStages(job_.stages(operand)) + "; ";
  }
  return text + "window " + std::to_string(job_.window.rotary_offset) + " + " + std::to_string(job_.window.rotary_dim) +
         ", pairing " + std::to_string(job_.window.pairing) + " to " + std::to_string(job_.window.output_pairing) +
         (in_place_ ? ", in place" : "") + (options_.key_positions != nullptr ? ", own key positions" : "");
}

}  // namespace testing
