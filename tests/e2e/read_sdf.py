"""Prints the molecules of an SD file as RDKit reads them: canonical SMILES, properties, and one coordinate."""

import json
import sys

from rdkit import Chem

molecules = []
for molecule in Chem.SDMolSupplier(sys.argv[1]):
    place = molecule.GetConformer().GetAtomPosition(0)
    molecules.append(
        {
            "smiles": Chem.MolToSmiles(molecule),
            "is3d": molecule.GetConformer().Is3D(),
            "x": place.x,
            "properties": molecule.GetPropsAsDict(),
        }
    )
wanted = Chem.MolToSmiles(Chem.MolFromSmiles(sys.argv[2]))
print(json.dumps({"molecules": molecules, "wanted": wanted}))
