// Conformers in 3D, drawn by 3Dmol.js. Loaded when someone looks at them (`page/conformers_3d.rs`).
import { createViewer } from './3Dmol.es6-min.js';

/** Colours of elements other than carbon: the usual ones, of a brightness that shows on light and dark ground. */
const ELEMENTS = {
  H: '#9aa3ad', N: '#3f6ff0', O: '#e0313f', S: '#c9a20a', F: '#2f9e4f', Cl: '#2f9e4f', Br: '#a8512a', I: '#8a4fc0', P: '#e07b1a',
};

/**
 * Makes a viewer in an element. `choose` is called with the position of a conformer that is clicked, `look` with that
 * under the pointer, or with nothing.
 */
export function mount(place, choose, look) {
  const canvas = document.createElement('canvas');
  if (!canvas.getContext('webgl2') && !canvas.getContext('webgl')) {
    throw new Error('this browser offers no WebGL');
  }
  return new Viewer(place, choose, look);
}

/** A colour as the page has it, `rgb(1 2 3)`, in the notation that 3Dmol.js knows. */
function hexadecimal(colour) {
  return `#${colour.match(/\d+/g).map((channel) => Number(channel).toString(16).padStart(2, '0')).join('')}`;
}

class Viewer {
  constructor(place, choose, look) {
    Object.assign(this, { place, choose, look, conformers: [], scene: null });
    this.viewer = createViewer(place, { backgroundAlpha: 0, disableFog: true, cartoonQuality: 1 });
    this.observer = new ResizeObserver(() => this.viewer.resize());
    this.observer.observe(place);
    this.keys = (event) => this.key(event);
    place.addEventListener('keydown', this.keys);
  }

  /**
   * Shows conformers: `sdf` and `colour` of each, which is `chosen`, which is `looked` at in the map, whether all others
   * are shown with them (`overlay`), and whether `hydrogens` are.
   */
  show(scene) {
    const same = this.scene?.key === scene.key;
    this.scene = scene;
    if (!same) {
      this.viewer.removeAllModels();
      this.models = scene.conformers.map(({ sdf }, position) => {
        const model = this.viewer.addModel(sdf, 'sdf', { keepH: true });
        model.setClickable({}, true, () => this.choose(position));
        model.setHoverable({}, true, () => this.look(position), () => this.look(undefined));
        return model;
      });
    }
    this.models.forEach((model, position) => {
      const chosen = position === scene.chosen;
      const looked = position === scene.looked;
      if (!chosen && !looked && !scene.overlay) {
        model.hide();
        return;
      }
      model.show();
      const colour = hexadecimal(scene.conformers[position].colour);
      const colorfunc = ({ elem }) => (elem === 'C' || !chosen ? colour : (ELEMENTS[elem] ?? '#8a6fb0'));
      const thickness = chosen ? 0.14 : looked ? 0.1 : 0.04;
      model.setStyle({}, { stick: { radius: thickness, colorfunc } });
      if (chosen) model.setStyle({}, { stick: { radius: thickness, colorfunc }, sphere: { scale: 0.22, colorfunc } });
      if (!scene.hydrogens || !chosen) model.setStyle({ elem: 'H' }, {});
    });
    if (!same) this.viewer.zoomTo();
    this.viewer.render();
    const visible = (_, position) => scene.overlay || position === scene.chosen || position === scene.looked;
    Object.assign(this.place.dataset, { shown: this.models.filter(visible).length, chosen: scene.chosen, looked: scene.looked ?? '' });
  }

  key(event) {
    const turn = { ArrowLeft: [-15, 'vy'], ArrowRight: [15, 'vy'], ArrowUp: [-15, 'vx'], ArrowDown: [15, 'vx'] }[event.key];
    if (turn) this.viewer.rotate(...turn);
    else if (event.key === '+' || event.key === '=') this.viewer.zoom(1.2);
    else if (event.key === '-') this.viewer.zoom(1 / 1.2);
    else if (event.key === '0') this.viewer.zoomTo();
    else if (event.key === 'n' || event.key === 'p') this.step(event.key === 'n' ? 1 : -1);
    else return;
    event.preventDefault();
    this.viewer.render();
  }

  /** Chooses the conformer so many places on, if there is one. */
  step(places) {
    const next = this.scene.chosen + places;
    if (next >= 0 && next < this.models.length) this.choose(next);
  }

  remove() {
    this.observer.disconnect();
    this.place.removeEventListener('keydown', this.keys);
    this.viewer.removeAllModels();
    // Browsers keep a dozen contexts at most.
    this.place.querySelector('canvas')?.getContext('webgl2')?.getExtension('WEBGL_lose_context')?.loseContext();
    this.place.replaceChildren();
  }
}
