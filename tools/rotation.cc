#include "rotation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "names.h"
#include "targets.h"

namespace simdrope::tool {

void RotateArguments::AddTo(CLI::App& app) {
  rope.AddTo(app);
  app.add_option("--q", q, "Queries: FILE.npy, or FILE.safetensors:NAME (NAME may be left out if it is q)");
  app.add_option("--k", k, "Keys, likewise");
  app.add_option("--layout", layout, "bshd|bhsd|thd: order of batch, seq, heads and head_dim; default bshd");
  app.add_option("--heads", heads, "Heads of Q, where its last axis is heads * head_dim");
  app.add_option("--kv-heads", kv_heads, "Heads of K, likewise");
  app.add_option("--positions", positions,
                 "First position (default 0), BEGIN:END, or ids.npy ([seq], [batch, seq] or [axes, batch, seq])");
  app.add_option("--cu-seqlens", cu_seqlens, "thd: boundaries of packed sequences, .npy [sequences + 1]");
  app.add_flag("--padding", padding, "An id of -1 marks padding, which is left alone");
  app.add_option("--out", out, "Folder for q.npy and k.npy, or a .safetensors file for tensors q and k")->required();
  app.add_option("--dtype", format, Choices(kFormats) + ": what the arrays hold; bf16 is uint16 in .npy");
  app.add_option("--out-dtype", out_format, Choices(kFormats) + "; default: as the input");
  app.add_option("--out-pairing", out_pairing, Choices(kPairings) + ": write the window so; default: as the input");
  app.add_option("--cos", cos, "A table of your own, looked up by position: .npy [rows, d/2]; f32, f16 or bf16");
  app.add_option("--sin", sin, "Its sines");
  app.add_option("--cos-sin", cos_sin, "Both in one file, with --form");
  app.add_option("--form", form, Choices(kTableForms) + ": form of the table; default half");
  app.add_option("--table-dtype", table_format, Choices(kFormats) + ": what the table holds");
  app.add_flag("--inverse", inverse, "Rotate back");
  app.add_option("--threads", threads, "0 (default): as many as pay")->check(CLI::Range(0, 1 << 16));
  app.add_option("--repeat", repeat, "Rotate so often and report the median time; default 3")
      ->check(CLI::Range(1, 1 << 20));
  app.add_flag("--check", check, "Compare with a plain double reference; exit code 1 beyond the bound");
  app.add_option("--expect-q", expect_q, "Compare Q with this array too; exit code 1 beyond --atol and --rtol");
  app.add_option("--expect-k", expect_k, "Compare K likewise");
  app.add_option("--atol", atol, "Absolute tolerance of --expect-*; default 0");
  app.add_option("--rtol", rtol, "Relative tolerance of --expect-*; default 0");
}

Rotation::Rotation(const RotateArguments& arguments) : arguments_(arguments) {
  if (arguments.q.empty() && arguments.k.empty()) Fail("nothing to rotate: say --q or --k");
  ReadSide(arguments.q, "q", arguments.heads, q_);
  ReadSide(arguments.k, "k", arguments.kv_heads, k_);
  ReadTable();

  const Side& first = q_.is_present() ? q_ : k_;
  if (q_.is_present() && k_.is_present() &&
      (q_.sizes.batch != k_.sizes.batch || q_.sizes.seq != k_.sizes.seq || q_.sizes.head_dim != k_.sizes.head_dim)) {
    Fail("Q is ", q_.sizes.batch, " x ", q_.sizes.seq, " tokens of head_dim ", q_.sizes.head_dim, ", but K ",
         k_.sizes.batch, " x ", k_.sizes.seq, " of ", k_.sizes.head_dim);
  }
  choice_ = arguments.rope.Resolve(first.sizes.head_dim);
  if (choice_.config.head_dim != first.sizes.head_dim) {
    Fail(first.reference, " has head_dim ", first.sizes.head_dim, ", but the RoPE's is ", choice_.config.head_dim);
  }
  positions_ = TokenPositions::Parse(arguments.positions, arguments.cu_seqlens, arguments.padding);
  CheckPositions();

  Config& config = choice_.config;
  if (has_table() && arguments.rope.config.empty() && config.rotary_dim == 0) config.rotary_dim = 2 * table_.columns;
  rope_ = Compile(config, arguments.rope.config);
  const simdrope_rope_info info = rope_.info();
  if (has_table()) {
    cos_sin_ = CosSinView(table_, info.pairing, positions_.view());
    cos_sin_.rotary_dim = info.rotary_dim;
    cos_sin_.rotary_offset = info.rotary_offset;
    cos_sin_.split = info.split;
    if (info.axes > 1) cos_sin_.pair_axis = info.pair_axis;
  } else {
    cos_sin_ = rope_.stream(positions_.view());
  }
  options_.inverse = arguments.inverse;
  options_.threads = arguments.threads;
  if (!arguments.out_pairing.empty()) {
    options_.output_pairing = Parse(kPairings, "--out-pairing", arguments.out_pairing);
  }
  window_ = reference::Window::Of(info, options_.output_pairing);
  PrepareOutput(q_);
  PrepareOutput(k_);
}

void Rotation::ReadSide(const std::string& reference, const char* usual_name, std::optional<int64_t> heads,
                        Side& side) {
  if (reference.empty()) return;
  side.reference = reference;
  side.in_array = ReadArray(reference, usual_name);
  side.format = side.out_format = FormatOf(side.in_array, reference, arguments_.format);
  if (!arguments_.out_format.empty()) side.out_format = Parse(kFormats, "--out-dtype", arguments_.out_format);
  std::optional<int64_t> head_dim;
  if (!heads && side.in_array.shape.size() == (ParseLayout(arguments_.layout) == Layout::kThd ? 2 : 3)) {
    const int32_t known = arguments_.rope.Resolve().config.head_dim;
    if (known > 0) head_dim = known;
  }
  side.sizes = SizesOf(side.in_array, reference, ParseLayout(arguments_.layout), heads, head_dim);
}

void Rotation::ReadTable() {
  const RotateArguments& a = arguments_;
  if (a.cos.empty() && a.sin.empty() && a.cos_sin.empty()) {
    if (!a.form.empty() || !a.table_format.empty())
      Fail("--form and --table-dtype want a table: --cos and --sin, or --cos-sin");
    return;
  }
  const bool joined = !a.cos_sin.empty();
  if (joined ? !a.cos.empty() || !a.sin.empty() : a.cos.empty() || a.sin.empty()) {
    Fail("a table is --cos and --sin together, or --cos-sin alone");
  }
  const TableForm form = a.form.empty() ? TableForm::kHalf : Parse(kTableForms, "--form", a.form);
  if (joined != IsJoined(form)) {
    Fail("--form ", NameOf(kTableForms, form), " goes with ", IsJoined(form) ? "--cos-sin" : "--cos and --sin");
  }
  const std::string& reference = joined ? a.cos_sin : a.cos;
  table_arrays_.cos = ReadArray(reference, joined ? "cos_sin" : "cos");
  const Format format = FormatOf(table_arrays_.cos, reference, a.table_format);
  if (!joined) {
    table_arrays_.sin = ReadArray(a.sin, "sin");
    if (FormatOf(table_arrays_.sin, a.sin, a.table_format) != format) Fail("--cos and --sin have different dtypes");
  }
  table_ = TableOf(table_arrays_, form, format);
}

void Rotation::CheckPositions() const {
  const Side& first = q_.is_present() ? q_ : k_;
  if (positions_.length() && *positions_.length() != first.sizes.seq) {
    Fail("--positions ", arguments_.positions, " has ", *positions_.length(), " positions, but ", first.reference, " ",
         first.sizes.seq, " tokens a sequence");
  }
}

void Rotation::PrepareOutput(Side& side) {
  if (!side.is_present()) return;
  const Layout layout = ParseLayout(arguments_.layout);
  side.in = TensorOf(side.in_array, side.format, layout, side.sizes);
  if (arguments_.padding) {
    // Padding is not written: it must be in the output beforehand.
    if (side.format != side.out_format) Fail("--padding leaves tokens alone, so --out-dtype must be the input's");
    side.out_array = side.in_array;
  } else {
    side.out_array = io::Array::zeros(ElementTypeOf(side.out_format), side.in_array.shape);
  }
  side.out = TensorOf(side.out_array, side.out_format, layout, side.sizes);
}

void Rotation::Apply() { Require(apply(cos_sin_, QKV(q_.in, k_.in), QKV(q_.out, k_.out), options_)); }

reference::Comparison Rotation::CompareWithReference() const {
  reference::Job job;
  job.in = QKV(q_.in, k_.in);
  job.out = QKV(q_.out, k_.out);
  job.window = window_;
  job.SetOptions(options_);
  job.row = has_table()
                ? reference::RowsOfTable(cos_sin_, window_.pairs())
                : reference::RowsOfRope(choice_.config, reference::FrequenciesOf(rope_.info()), positions_.view());
  reference::Comparison comparison;
  reference::CompareAll(job, &comparison);
  return comparison;
}

Deviation CompareWithExpected(const Side& side, const std::string& reference, double atol, double rtol) {
  const io::Array expected = ReadArray(reference, "expected");
  const Format format = FormatOf(expected, reference, expected.type == io::ElementType::u16 ? "bf16" : "");
  if (expected.shape != side.in_array.shape) Fail(reference, " has not the shape of ", side.reference);
  Deviation deviation;
  for (int64_t i = 0; i < expected.size(); ++i) {
    const double want = reference::Load(expected.bytes.data() + size_of(format, i), format);
    const double got = reference::Load(side.out_array.bytes.data() + size_of(side.out_format, i), side.out_format);
    ++deviation.elements;
    if (got == want || (std::isnan(got) && std::isnan(want))) continue;
    const double error = std::fabs(got - want);
    deviation.worst = std::max(deviation.worst, error);
    if (!(error <= atol + rtol * std::fabs(want)) && deviation.ok()) {
      deviation.first_wrong = Text("element ", i, " of ", side.reference, " comes to ", got, ", expected ", want);
    }
  }
  return deviation;
}

}  // namespace simdrope::tool
