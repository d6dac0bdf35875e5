# What there is to make: `make help`.

TARGET := $(or $(CARGO_TARGET_DIR),target)
OPTIMIL := $(TARGET)/debug/optimil
TRAIN := $(OPTIMIL) train --labels data/chromophores/labels.csv --feat2d data/chromophores/feat2d_scaled.csv.gz \
  --feat3d data/chromophores/feat3d_scaled.csv.gz --feat3d-qm data/chromophores/feat3d_qm_scaled.csv.gz \
  --conformers data/chromophores/conformers.sdf.gz --schema data/chromophores/schema.toml --max-epochs 60 \
  --licence 'CC BY 4.0' --citation 'Joung et al., Scientific Data 7, 295 (2020)'

.PHONY: help setup explorer build demo sample test clean

help:
	@echo 'make setup     get the compilers, tools and browser that are missing'
	@echo 'make explorer  build the web page into dist/'
	@echo 'make build     build the explorer, then the trainer with the explorer inside'
	@echo 'make demo      train on the data set in data/ and open the model in the explorer'
	@echo 'make sample    train the sample that comes with the explorer'
	@echo 'make test      set up, build everything, run all tests, in the browser too'
	@echo 'make clean     remove everything that was built'

setup:
	@echo '== Setting up'
	@scripts/setup

explorer:
	@echo '== Building the explorer into dist/'
	@scripts/build-explorer

build: explorer
	@echo '== Building the trainer'
	cargo build --locked -p trainer

demo: setup build
	@echo '== Training on data/chromophores'
	rm -rf demo
	$(TRAIN) --params data/chromophores/params.json --out demo
	@echo '== Serving the model to your browser at the address below; stop with Ctrl-C'
	$(OPTIMIL) serve demo/model.optimil --open

# What draws structures takes longer to optimise than its tests take without that.
test: setup build
	@echo '== Native tests'
	cargo test --locked --workspace
	CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo test --locked -p depiction --features draw
	@echo '== Browser tests'
	@npm --prefix tests --silent test

# The model that comes with the page; run it again when the bundle's format changes.
sample: build
	@echo '== Training the sample that comes with the page'
	rm -rf $(TARGET)/sample
	$(TRAIN) --params data/chromophores/sample_params.json --device cpu --out $(TARGET)/sample
	cp $(TARGET)/sample/model.optimil www/sample.optimil

clean:
	@echo '== Removing what was built'
	cargo clean
	rm -rf dist demo tests/node_modules tests/screenshots
