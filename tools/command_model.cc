// simdrope model: what a model file says about RoPE, kind of layer by kind of layer, and which key says it.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>

#include "command.h"
#include "failure.h"
#include "frequencies.h"
#include "model_report.h"
#include "output_file.h"
#include "printable.h"
#include "weight_check.h"

namespace simdrope::tool {
namespace {

struct ModelArguments {
  bool json = false;
  bool allow_unknown = false;
  bool families = false;
  std::string file, config, family, plot, compare;
  int64_t seq_len = 0;

  void AddTo(CLI::App& app) {
    app.add_option(
        "file", file,
        "A config.json, a folder with one, or a .gguf; of the last two, the weights' shapes are checked too");
    app.add_option("--config", config, "The same");
    app.add_flag("--allow-unknown", allow_unknown,
                 "Warn about RoPE keys that are not understood, unless they could say which layers rotate, the pairing "
                 "or the window");
    app.add_option("--family", family, "Read a model type that is not known as this one");
    app.add_option("--seq-len", seq_len, "Current length, for dynamic and longrope scaling");
    app.add_option("--plot", plot, "Draw wavelength against pair, all kinds of layers, into this .svg");
    app.add_option("--compare", compare, "Another model file: list where it differs");
    app.add_flag("--families", families, "List the known model types and architectures");
  }
};

io::Model Read(const std::string& path, const ModelArguments& arguments) {
  std::error_code error;
  std::filesystem::path file = path;
  if (std::filesystem::is_directory(file, error)) file /= "config.json";
  if (!std::filesystem::exists(file, error)) Fail(path, ": no such file, or no config.json in this folder");
  io::ReadOptions options;
  options.allow_unknown = arguments.allow_unknown;
  options.family = arguments.family;
  options.seq_len = arguments.seq_len;
  return Require(io::read_model(file.string(), options), path);
}

// The weights beside a config.json that was named by its folder, or of a GGUF file; null where there are none.
Json Weights(const std::string& path, const io::Model& model, std::string& failure) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error) && model.source != "gguf") return nullptr;
  const std::vector<io::TensorShape> shapes = Require(io::read_shapes(path), path);
  if (shapes.empty()) return nullptr;
  const WeightCheck check = CheckWeights(model, shapes);
  if (!check.mismatches.empty()) {
    const WeightCheck::Mismatch& first = check.mismatches.front();
    failure = Text(path, ": ", first.tensor.file, ": ", first.message);
    if (check.mismatches.size() > 1) failure += Text(" (and ", check.mismatches.size() - 1, " more)");
  }
  return Describe(check);
}

int ListFamilies(const ModelArguments& arguments) {
  Json list = Json::array();
  for (const io::FamilyInfo& family : io::families()) list.push_back(Describe(family));
  if (arguments.json) {
    Print(list);
  } else {
    for (const Json& family : list) {
      std::printf("%-11s %-8s %-12s %s\n", family["file"].get<std::string>().c_str(),
                  family["rope"].get<std::string>().c_str(), family["pairing"].get<std::string>().c_str(),
                  family["names"].get<std::string>().c_str());
    }
  }
  return 0;
}

int RunModel(const ModelArguments& arguments) {
  if (arguments.families) return ListFamilies(arguments);
  if (arguments.file.empty() == arguments.config.empty()) Fail("model wants one file: FILE or --config FILE");
  const std::string path = arguments.file.empty() ? arguments.config : arguments.file;
  const io::Model model = Read(path, arguments);
  for (const std::string& warning : model.warnings) std::fprintf(stderr, "simdrope: warning: %s\n", warning.c_str());
  Json json = Describe(model);
  if (!arguments.plot.empty()) {
    RefuseInput("--plot", arguments.plot, {{"the model", path}, {"--compare", arguments.compare}});
    WriteTextFile("--plot", arguments.plot, Plot(model, model.model_type + " (" + path + ")"));
    json["plot"] = arguments.plot;
  }
  std::string failure;
  json["weights"] = Weights(path, model, failure);
  if (!arguments.compare.empty()) json["compare"] = Difference(model, Read(arguments.compare, arguments));
  if (arguments.json) {
    Print(json);
  } else if (!arguments.compare.empty()) {
    PrintDifference(json["compare"], path, arguments.compare);
  } else {
    PrintModel(json);
  }
  if (failure.empty()) return 0;
  std::fprintf(stderr, "simdrope: %s\n", Printable(failure, 2000).c_str());
  return 2;
}

}  // namespace

void AddModel(CLI::App& app, int& exit_code) {
  AddCommand<ModelArguments>(app, exit_code, "model",
                             "What a model file says about RoPE: kinds of layers, and which key or default says it",
                             RunModel);
}

}  // namespace simdrope::tool
