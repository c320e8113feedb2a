import { DatasetsPage } from "@/features/datasets/datasets-page";

export default DatasetsPage;
