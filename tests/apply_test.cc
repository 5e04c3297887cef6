// apply against the double reference: types, pairings, windows, directions, layouts.
#include "support.h"
#include "support/ids.h"
#include "support/layouts.h"

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
