// apply against the double reference: types, pairings, windows, directions, layouts.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "support.h"
#include "support/ids.h"
#include "support/layouts.h"
#include "support/tables.h"

using namespace testing;

namespace {

constexpr Pairing kPairings[] = {simdrope::half, simdrope::interleaved};
constexpr Inputs kInputs[] = {Inputs::kTame, Inputs::kWide, Inputs::kCancelling, Inputs::kSubnormal, Inputs::kSpecial};

// One apply, from a Rope's config to the comparison.
struct Case {
  simdrope::Config config;
  Shape shape;
  Layout in_layout = Layout::kBshd;
  Layout out_layout = Layout::kBshd;
  Format in = simdrope::f32;
  Format out = simdrope::f32;
  bool in_place = false;
  bool inverse = false;
  simdrope_pairing output_pairing = SIMDROPE_SAME_PAIRING;
  float q_scale = 1;
  Inputs inputs = Inputs::kTame;
  int misalignment = 0;
  IdsForm ids = IdsForm::kOffsets;
};

std::string Run(const Case& c, Random* random) {
  const auto rope = simdrope::Rope::create(c.config);
  if (!rope) return rope.status().message();
  const Ids ids({c.ids, c.shape.batch, c.shape.seq, 1, -4096, 4096, false}, random);
  Tensors in = MakeTensors(c.in_layout, c.shape, c.in, c.misalignment);
  Tensors out = MakeTensors(c.out_layout, c.shape, c.out, c.misalignment);
  Job job;
  UseRope(*rope, c.config, ids, &job);
  job.in = in.qkv;
  job.out = c.in_place ? in.qkv : out.qkv;
  job.inverse = c.inverse;
  job.q.scale = c.q_scale;
  if (c.output_pairing != SIMDROPE_SAME_PAIRING) job.window.output_pairing = c.output_pairing;
  FillInputs(job, c.inputs, random);
  simdrope::Options options;
  options.inverse = c.inverse;
  options.q.scale = c.q_scale;
  options.output_pairing = c.output_pairing;
  const auto run = [&] {
    const auto view = rope->stream(ids.view());
    return c.in_place ? simdrope::apply(view, in.qkv, options) : simdrope::apply(view, in.qkv, out.qkv, options);
  };
  return CheckJob(job, BuffersOf(&in, &out), run);
}

simdrope::Config Windowed(int rotary_dim, int offset, int tail, Pairing pairing) {
  simdrope::Config config(rotary_dim + offset + tail);
  config.rotary_dim = rotary_dim;
  config.rotary_offset = offset;
  config.pairing = pairing;
  return config;
}

Case InWindow(int rotary_dim, int offset, int tail, Pairing pairing) {
  Case c;
  c.config = Windowed(rotary_dim, offset, tail, pairing);
  c.shape = {2, 2, 2, 1, 0, rotary_dim + offset + tail};
  return c;
}

std::vector<int> RotaryDims() {
  if (IsQuick()) return {2, 10, 30, 64, 66, 130, 256, 1024};
  std::vector<int> dims;
  for (int d = 2; d <= 130; d += 2) dims.push_back(d);
  for (const int d : {192, 254, 256, 258, 384, 510, 640, 1022, 1024}) dims.push_back(d);
  return dims;
}

}  // namespace

TEST_CASE("every even rotary_dim, dtype and pairing, at an offset, in both directions, in place or not") {
  Random random(1);
  const int64_t before = ComparedElements();
  ForEachTarget([&](const simdrope_target&) {
    for (const int dim : RotaryDims()) {
      for (const Format format : kFormats) {
        for (const Pairing pairing : kPairings) {
          for (const bool in_place : {false, true}) {
            const int room = std::min(SIMDROPE_MAX_HEAD_DIM - dim, 12);
            const int offset = static_cast<int>(random.Int(0, room / 2)) / 2 * 2;
            Case c = InWindow(dim, offset, static_cast<int>(random.Int(0, room - offset)), pairing);
            c.in = c.out = format;
            c.in_place = in_place;
            c.inverse = random.Chance(2);
            c.misalignment = static_cast<int>(random.Int(0, 9));
            c.inputs = kInputs[random.Int(0, 4)];
            CAPTURE(dim);
            CAPTURE(offset);
            CAPTURE(NameOf(format));
            CAPTURE(pairing);
            CAPTURE(in_place);
            CHECK(Run(c, &random) == "");
          }
        }
      }
    }
  });
  CHECK(ComparedElements() - before > 100000);
}

TEST_CASE("every kind of input for every pair of dtypes and pairings") {
  Random random(2);
  ForEachTarget([&](const simdrope_target&) {
    for (const Inputs inputs : kInputs) {
      for (const Format in : kFormats) {
        for (const Format out : kFormats) {
          for (const Pairing from : kPairings) {
            for (const Pairing to : kPairings) {
              for (const int dim : IsQuick() ? std::vector<int>{6, 62} : std::vector<int>{2, 6, 32, 62, 64, 128}) {
                Case c = InWindow(dim, 2, 5, from);
                c.in = in;
                c.out = out;
                c.inputs = inputs;
                c.output_pairing = to;
                c.in_place = in == out && random.Chance(2);
                c.inverse = random.Chance(2);
                CAPTURE(static_cast<int>(inputs));
                CAPTURE(NameOf(in));
                CAPTURE(NameOf(out));
                CAPTURE(from);
                CAPTURE(to);
                CAPTURE(dim);
                CHECK(Run(c, &random) == "");
              }
            }
          }
        }
      }
    }
  });
}

TEST_CASE("halves apart: a split beyond rotary_dim / 2") {
  Random random(3);
  ForEachTarget([&](const simdrope_target&) {
    for (const Format format : kFormats) {
      for (const int dim : {2, 8, 30, 64}) {
        for (const int split : {dim / 2, dim / 2 + 1, dim, 96}) {
          for (const int offset : {0, 4}) {
            Case c;
            c.config = Windowed(dim, offset, 0, simdrope::half);
            c.config.head_dim = 160;
            c.config.split = split;
            c.shape = {1, 3, 2, 2, 0, 160};
            c.in = c.out = format;
            c.in_place = random.Chance(2);
            CAPTURE(NameOf(format));
            CAPTURE(dim);
            CAPTURE(split);
            CAPTURE(offset);
            CHECK(Run(c, &random) == "");
          }
        }
      }
    }
  });
}

TEST_CASE("from every layout into every other, and in place") {
  Random random(4);
  ForEachTarget([&](const simdrope_target&) {
    for (const Layout from : {Layout::kBshd, Layout::kBhsd, Layout::kPackedQkv, Layout::kPackedHeads, Layout::kPadded,
                              Layout::kReversed, Layout::kSeqMajor, Layout::kBroadcast}) {
      for (const Layout to : kOutputLayouts) {
        for (const Format format : kFormats) {
          Case c = InWindow(12, 2, 3, kPairings[random.Int(0, 1)]);
          c.shape = {3, 5, 4, 2, 2, c.config.head_dim};
          c.in_layout = from;
          c.out_layout = to;
          c.in = format;
          c.out = random.Chance(2) ? format : simdrope::f32;
          c.in_place = from == to && from != Layout::kBroadcast;
          if (c.in_place) c.out = c.in;
          c.misalignment = static_cast<int>(random.Int(0, 3));
          c.ids = kIdsForms[random.Int(0, 3)];
          CAPTURE(static_cast<int>(from));
          CAPTURE(static_cast<int>(to));
          CAPTURE(NameOf(format));
          CHECK(Run(c, &random) == "");
        }
      }
    }
  });
}

TEST_CASE("heads of Q, K and V in any number, batch and length zero included") {
  Random random(5);
  for (const int64_t q : {0, 1, 5, 8}) {
    for (const int64_t k : {0, 1, 2, 8}) {
      if (q + k == 0) continue;
      for (const int64_t v : {int64_t{0}, k}) {
        for (const int64_t batch : {0, 1, 3}) {
          for (const int64_t seq : {0, 1, 70}) {
            Case c = InWindow(16, 0, 0, simdrope::half);
            c.shape = {batch, seq, q, k, v, 16};
            c.in_layout = random.Chance(2) ? Layout::kPackedQkv : Layout::kBhsd;
            c.q_scale = random.Chance(2) ? 1.0f : 0.125f;
            CAPTURE(q);
            CAPTURE(k);
            CAPTURE(v);
            CAPTURE(batch);
            CAPTURE(seq);
            CHECK(Run(c, &random) == "");
          }
        }
      }
    }
  }
}

TEST_CASE("a scale on Q reaches all of Q and nothing else") {
  Random random(6);
  ForEachTarget([&](const simdrope_target&) {
    for (const Format format : kFormats) {
      for (const Pairing pairing : kPairings) {
        for (const bool in_place : {false, true}) {
          Case c = InWindow(20, 4, 9, pairing);
          c.shape.v_heads = 1;
          c.in = c.out = format;
          c.in_place = in_place;
          c.q_scale = 0.08838835f;
          CHECK(Run(c, &random) == "");
        }
      }
    }
  });
}

TEST_CASE("the reference names the element that is off") {
  Random random(95);
  const simdrope::Config config(8);
  const simdrope::Rope rope = *simdrope::Rope::create(config);
  const Ids ids({IdsForm::kStart, 2, 3, 1, 0, 50, false}, &random);
  for (const auto& [tensor, named] : {std::pair{&simdrope_qkv::q, "q[1, 2, 1, 3] "},
                                      {&simdrope_qkv::k, "k[1, 2, 0, 3] "},
                                      {&simdrope_qkv::v, "v[1, 2, 0, 3] "}}) {
    Tensors in = MakeTensors(Layout::kBshd, {2, 3, 2, 1, 1, 8}, simdrope::f32);
    Tensors out = MakeTensors(Layout::kBshd, {2, 3, 2, 1, 1, 8}, simdrope::f32);
    Job job;
    UseRope(rope, config, ids, &job);
    job.in = in.qkv;
    job.out = out.qkv;
    FillInputs(job, Inputs::kTame, &random);
    const simdrope_tensor& t = out.qkv.*tensor;
    const std::string said = CheckJob(job, BuffersOf(&in, &out), [&] {
      const simdrope::Status status = simdrope::apply(rope.stream(ids.view()), in.qkv, out.qkv);
      *static_cast<float*>(ElementOf(t, 1, 2, t.heads - 1, 3)) += 0.001f;
      return status;
    });
    CHECK_MESSAGE(said.find(named) == 0, said);
  }
}

TEST_CASE("the longest heads in every layout of tokens and heads") {
  Random random(9);
  for (const Layout layout : {Layout::kBshd, Layout::kBhsd}) {
    for (const Format format : kFormats) {
      for (const Pairing pairing : kPairings) {
        Case c = InWindow(SIMDROPE_MAX_HEAD_DIM, 0, 0, pairing);
        c.shape = {1, 9, 2, 1, 0, SIMDROPE_MAX_HEAD_DIM};
        c.in_layout = c.out_layout = layout;
        c.in = c.out = format;
        CHECK(Run(c, &random) == "");
      }
    }
  }
}

namespace {

// A call whose first token is the same for any number of tokens.
struct FirstToken {
  static constexpr int kDim = 16, kRows = 6;
  explicit FirstToken(const simdrope_cos_sin& from) : rows(from) {}
  simdrope_cos_sin rows;
  simdrope::Options options;
  Format in = simdrope::f32, out = simdrope::f32;
  int64_t v_heads = 0;
  int64_t tokens = 1;

  // The bytes of its heads of Q, K and V after the call; empty where that is refused.
  std::vector<char> Bytes() const {
    const Shape shape{1, tokens, 2, 1, v_heads, kDim};
    const Tensors from = MakeTensors(Layout::kBshd, shape, in), to = MakeTensors(Layout::kBshd, shape, out);
    for (const simdrope_tensor* t : {&from.qkv.q, &from.qkv.k, &from.qkv.v}) {
      ForHeads(*t, [&](int64_t b, int64_t s, int64_t h) {
        for (int64_t d = 0; d < kDim; ++d) {
          const auto value = static_cast<double>((s * 5 + h * 11 + d * 7) % 23 - 11) / 4;
          Store(Rounded(value, in), in, ElementOf(*t, b, s, h, d));
        }
      });
    }
    std::vector<char> bytes;
    if (simdrope_apply(&rows, &from.qkv, &to.qkv, &options) != SIMDROPE_OK) return bytes;
    for (const simdrope_tensor* t : {&to.qkv.q, &to.qkv.k, &to.qkv.v}) {
      const auto* begin = static_cast<const char*>(t->data);
      if (t->heads != 0) bytes.insert(bytes.end(), begin, begin + t->heads * kDim * simdrope::size_of(out));
    }
    return bytes;
  }
};

constexpr int64_t kIds[] = {4, 1}, kPaddedIds[] = {-1, 1}, kOffset[] = {2};
constexpr float kScales[FirstToken::kRows] = {1, 2, -3, 4, 5, 6};
constexpr uint8_t kPadding[FirstToken::kRows] = {0, 0, 1, 1, 0, 0};
constexpr uint8_t kAxes[FirstToken::kDim / 2] = {0, 1, 1, 0, 0, 1, 0, 0};

using Change = void (*)(FirstToken& call);

// What the call asks for besides a plain rotation. What a source of rows does not name is ignored.
constexpr Change kChanges[] = {
    [](FirstToken&) {},
    [](FirstToken& c) { c.options.inverse = true; },
    [](FirstToken& c) { c.options.output_pairing = simdrope::interleaved; },
    [](FirstToken& c) { c.options.q.scale = 3; },
    [](FirstToken& c) { c.options.k.hadamard = 8; },
    [](FirstToken& c) { c.options.q.norm.type = SIMDROPE_NORM_RMS; },
    [](FirstToken& c) { c.out = simdrope::bf16; },
    [](FirstToken& c) { c.in = c.out = simdrope::bf16; },
    [](FirstToken& c) { c.in = c.out = simdrope::f16; },
    [](FirstToken& c) { c.v_heads = 3; },
    [](FirstToken& c) { c.rows.positions.offsets = kOffset, c.rows.positions.offsets_count = 1; },
    [](FirstToken& c) { c.rows.positions = simdrope::Positions::per_token(kIds, c.tokens); },
    [](FirstToken& c) {
      c.rows.positions = simdrope::Positions::per_token(kPaddedIds, c.tokens);
      c.rows.positions.padding = true;
    },
    [](FirstToken& c) { c.rows.query_scale = kScales; },
    [](FirstToken& c) { c.rows.padding = kPadding; },
    [](FirstToken& c) { c.rows.out_of_range = SIMDROPE_IDENTITY, c.rows.positions.start = -1; },
    [](FirstToken& c) { c.rows.out_of_range = SIMDROPE_SKIP, c.rows.positions.start = FirstToken::kRows; },
    [](FirstToken& c) { c.rows.positions.start = FirstToken::kRows; },
    [](FirstToken& c) { c.rows.magnitude = 0.5f; },
    [](FirstToken& c) { c.rows.pairing = SIMDROPE_INTERLEAVED; },
    [](FirstToken& c) { c.rows.rotary_dim = 8; },
    [](FirstToken& c) { c.rows.rotary_dim = 8, c.rows.rotary_offset = 4; },
    [](FirstToken& c) { c.rows.rotary_dim = 8, c.rows.split = 8; },
    [](FirstToken& c) {
      static const int64_t two_axes[] = {4, 4, 1, 1};
      c.rows.positions = simdrope::Positions::per_token(two_axes, 2, 1, c.tokens);
      c.rows.positions.axis_stride = 1;
      c.rows.positions.seq_stride = 2;
      c.rows.pair_axis = kAxes;
    },
};

}  // namespace

TEST_CASE("a token alone has the bytes that it has before another, whatever the call asks for") {
  Random random(92);
  int results = 0;
  const auto check = [&](FirstToken call, Change change) {
    FirstToken two = call;
    two.tokens = 2;
    change(call);
    change(two);
    const auto bytes = call.Bytes();
    CHECK(bytes == two.Bytes());
    results += bytes.empty() ? 0 : 1;
  };
  for (const TableForm form : kTableForms) {
    for (const Format format : kFormats) {
      const DrawnTable table(form, format, 1, FirstToken::kRows, FirstToken::kDim / 2, &random);
      const DrawnTable of_keys(form, format, 1, FirstToken::kRows, FirstToken::kDim / 2, &random);
      const DrawnTable wide(form, format, 1, FirstToken::kRows, FirstToken::kDim, &random);
      simdrope::CosSinView rows(table.view());
      rows.positions.start = 2;
      for (const Change& change : kChanges) {
        CAPTURE(static_cast<int>(form));
        CAPTURE(NameOf(format));
        CAPTURE(&change - kChanges);
        check(FirstToken(rows), change);
        rows.key_table = of_keys.view();
        check(FirstToken(rows), change);
        rows.key_table = SIMDROPE_TABLE_INIT;
      }
      rows.table = wide.view();
      rows.full_width = true;
      check(FirstToken(rows), kChanges[0]);
    }
  }
  simdrope::Config plain(FirstToken::kDim), xpos = plain, temperature = plain, rounded = plain, part = plain;
  xpos.xpos.scale_base = 512;
  temperature.temperature = {0.1, 2, 0};
  rounded.precision = SIMDROPE_PRECISION_FLOAT32;
  part.rotary_dim = 8;
  for (const simdrope::Config& config : {plain, xpos, temperature, rounded, part}) {
    const auto rope = simdrope::Rope::create(config);
    REQUIRE(rope.ok());
    for (const Change& change : kChanges) {
      CAPTURE(&change - kChanges);
      check(FirstToken(rope->stream(100)), change);
    }
  }
  CHECK(results > 1000);
}

TEST_CASE("a run of a plan is the call with its pointers, position and slices, of one token or several") {
  constexpr int kHeads = 2, kDim = 16, kRows = 12;
  Random random(93);
  const DrawnTable table(TableForm::kPlain, simdrope::f32, 1, kRows, kDim / 2, &random);
  const DrawnTable other(TableForm::kPlain, simdrope::f32, 1, kRows, kDim / 2, &random);
  const auto rope = simdrope::Rope::create(simdrope::Config(kDim));
  REQUIRE(rope.ok());
  for (const int64_t tokens : {1, 3}) {
    const int64_t count = tokens * kHeads * kDim;
    std::vector<float> memory(static_cast<size_t>(4 * count));
    for (float& value : memory) value = static_cast<float>(random.Real(-2, 2));
    const auto filled = memory;
    const auto tensor = [&](int64_t i) { return simdrope::bshd(memory.data() + i * count, 1, tokens, kHeads, kDim); };
    for (const bool is_streamed : {true, false}) {
      for (const bool in_place : {true, false}) {
        for (const int64_t slices : {0, 2}) {
          const auto rows = [&](const DrawnTable& t, int64_t start) -> simdrope_cos_sin {
            simdrope::CosSinView view(t.view());
            view.positions.start = start;
            return is_streamed ? rope->stream(start) : view;
          };
          const simdrope_cos_sin planned = rows(table, 1), called = rows(other, 7);
          memory = filled;
          const simdrope::QKV in(tensor(1)), out(tensor(in_place ? 1 : 3));
          REQUIRE(simdrope::apply(called, in, out).ok());
          const auto expected = memory;
          memory = filled;
          const auto plan = simdrope::Plan::create(planned, tensor(0), in_place ? tensor(0) : tensor(2));
          REQUIRE(plan.ok());
          simdrope_run run = plan->pointers();
          run.q.in = in.q.data;
          run.q.out = out.q.data;
          run.start = 7;
          run.cos = called.table.cos;
          run.sin = called.table.sin;
          run.slice_count = slices;
          for (run.slice_index = 0; run.slice_index < std::max<int64_t>(slices, 1); ++run.slice_index) {
            CHECK(plan->run(run).ok());
          }
          CAPTURE(tokens);
          CAPTURE(is_streamed);
          CAPTURE(in_place);
          CAPTURE(slices);
          CHECK(memory == expected);
        }
      }
    }
  }
}

namespace {

// NaNs of either sign with every kind of payload; in f32 some that rounding to bf16 would carry beyond NaN.
constexpr uint32_t kNaNs[] = {0x7fffffff, 0xffffffff, 0x7fc00000, 0x7f800001, 0xff80ffff, 0x7fffc000, 0x7fffe000};

// The bits of a NaN in `format`; its payload may lose low bits, but stays one.
void StoreNaN(const simdrope::Tensor& table, int64_t at, uint32_t bits) {
  if (table.format == SIMDROPE_F32) {
    std::memcpy(static_cast<float*>(table.data) + at, &bits, 4);
    return;
  }
  const bool is_f16 = table.format == SIMDROPE_F16;
  const uint32_t payload = bits & 0x7fffff;
  const auto half = static_cast<uint16_t>(
      bits >> 31 << 15 | (is_f16 ? 0x7c00 | payload >> 13 : 0x7f80 | payload >> 16) | (payload < 0x10000 ? 1 : 0));
  std::memcpy(static_cast<uint16_t*>(table.data) + at, &half, 2);
}

}  // namespace

TEST_CASE("a NaN in a caller's table makes NaN of its pair and of no other, whatever its payload") {
  Random random(91);
  const TargetRestorer restorer;
  int results = 0;
  ForEachTarget([&](const simdrope_target&) {
    for (const Format row_format : kFormats) {
      for (const auto& [q_format, k_format] : {std::pair{simdrope::bf16, simdrope::bf16},
                                               {simdrope::f32, simdrope::bf16},
                                               {simdrope::bf16, simdrope::f16}}) {
        for (const int dim : {2, 16, 30, 64, 128}) {
          for (const int64_t seq : {1, 5}) {
            for (const uint32_t bits : kNaNs) {
              const int pairs = dim / 2;
              std::vector<float> rows(static_cast<size_t>(2 * seq * pairs));
              const simdrope::Tensor both(rows.data(), row_format, 1, 2 * seq, 1, pairs, 0, pairs, 0);
              Job fill;
              fill.in.q = both;
              FillInputs(fill, Inputs::kTame, &random);
              const int64_t bad = random.Int(0, pairs - 1), bad_row = random.Int(0, seq - 1);
              const bool in_sin = random.Chance(2);
              StoreNaN(both, (in_sin ? seq * pairs : 0) + bad_row * pairs + bad, bits);
              const int64_t size = row_format == simdrope::f32 ? 4 : 2;
              simdrope_cos_sin source = SIMDROPE_COS_SIN_INIT;
              source.source = SIMDROPE_TABLE;
              source.table.format = row_format;
              source.table.cos = rows.data();
              source.table.sin = reinterpret_cast<char*>(rows.data()) + size * seq * pairs;
              source.table.rows = seq;
              source.table.columns = pairs;
              source.table.row_stride = pairs;
              source.pairing = random.Chance(2) ? SIMDROPE_HALF : SIMDROPE_INTERLEAVED;
              Tensors in = MakeTensors(Layout::kBshd, {1, seq, 2, 1, 0, dim}, q_format, k_format);
              Job job;
              job.in = in.qkv;
              FillInputs(job, Inputs::kTame, &random);
              REQUIRE(simdrope_apply(&source, &in.qkv, nullptr, nullptr) == SIMDROPE_OK);
              int wrong = 0;
              for (const simdrope_tensor* t : {&in.qkv.q, &in.qkv.k}) {
                for (int64_t s = 0; s < seq; ++s) {
                  for (int64_t h = 0; h < t->heads; ++h) {
                    for (int64_t d = 0; d < dim; ++d) {
                      const int64_t pair = source.pairing == SIMDROPE_HALF ? d % pairs : d / 2;
                      const bool is_nan = std::isnan(ValueOf(*t, 0, s, h, d));
                      wrong += is_nan == (s == bad_row && pair == bad) ? 0 : 1;
                      ++results;
                    }
                  }
                }
              }
              CAPTURE(dim);
              CAPTURE(bits);
              CHECK(wrong == 0);
            }
          }
        }
      }
    }
  });
  CHECK(results > 100000);
}
